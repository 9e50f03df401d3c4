# evidence/csv.c: the kernel is told of the largest structure's room, whichever it is
/^call_registers(/,/^}/s/CSV_RTMR_LEN, size/CSV_RTMR_LEN, CSV_EXTEND_SIZE/
