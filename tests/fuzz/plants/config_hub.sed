# agent/config_peer.c: the name of a key is believed to fit
s/^#define PATH_SIZE.*/#define PATH_SIZE 50/
s/snprintf(path + len, sizeof(path) - len/snprintf(path + len, 160 - len/
