/* keyprovider.h: aa-keyprovider, the program that skopeo and its like ask to wrap and unwrap layer keys. */
#ifndef AGENT_KEYPROVIDER_H
#define AGENT_KEYPROVIDER_H

/* Exit status. */
int keyprovider_main(int argc, char *argv[]);

#endif
