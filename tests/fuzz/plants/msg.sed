# lib/msg.c: a type that is not expected is looked for beyond the end of the rules
/^find_rule(/,/^}/s/for (; rules->type != 0; rules++)/for (;; rules++)/
