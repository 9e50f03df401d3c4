/* version.c: the numbers come from the build. */
#include "lib/base.h"

#include "lib/version.h"

const char version_text[] = CACAO_VERSION;
const int64_t version_source_date = CACAO_SOURCE_DATE;
