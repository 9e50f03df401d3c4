# image/policy.c: a host is asked before its repositories
/^try_docker/,/^}/s/if (try_scope(scopes, "docker", name, d))/if (try_scope(scopes, "docker", r->domain, d) || try_scope(scopes, "docker", name, d))/
