# evidence/snp_report.c: more certificates than there is room for
/^read_table(/,/^}/s/\*n == CERTS_MAX/*n == 2 * CERTS_MAX/
