# image/policy.c: a wildcard matches the host itself
/^try_wildcards/,/^}/s/for (const char \*dot = strchr(host, .\..)/snprintf(scope, sizeof(scope), "*.%.200s", host);\
	if (try_scope(scopes, "docker", scope, d))\
		return true;\
	for (const char *dot = strchr(host, 0x2e)/
