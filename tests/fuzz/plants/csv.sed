# evidence/csv_report.c: a chip id may be longer than its field
/^csv_chip_id(/,/^}/s/n < CHIP_ID_SIZE/n < 2 * CHIP_ID_SIZE/
