/* tee.h: the places of the kernel that the tee role may touch, and the evidence_env over them. */
#ifndef AGENT_TEE_H
#define AGENT_TEE_H

#include "evidence/evidence.h"

extern const struct evidence_env tee_env;	/* allow_sample is false */

#endif
