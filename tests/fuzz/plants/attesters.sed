# evidence/snp_report.c: a report may be shorter than reports are
/^snp_report_check(/,/^}/s/report.len != SNP_REPORT_SIZE/report.len < AT_MEASUREMENT/
