# image/policy_form.c: keyPath and keyData together are taken
/^check_one_of/,/^}/s/there == 1/there >= 1/
