# evidence/snp_report.c: a certificate may end behind its table
/^read_table(/,/^}/s/at > table.len || length > table.len - at/at > table.len/
