# agent/pulls.c: a path longer than the longest
s/|| rest.len > LIMIT_PATH)/)/
