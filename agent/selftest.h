#ifndef AGENT_SELFTEST_H
#define AGENT_SELFTEST_H
int selftest_probe(int);
#endif
