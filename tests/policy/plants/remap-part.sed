# image/simple_signing.c: a prefix may end within a name
/^remap(/,/^}/s/ || (name\[len\] != .*))$/)/
