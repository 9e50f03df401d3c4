# evidence/qgs.c: the quote is taken to be there
/^qgs_response(/,/^}/s/!span_take(&in, le32(sizes.p + 4), quote) ||/(*quote = (struct span){ in.p, le32(sizes.p + 4) }).p == NULL ||/
/^qgs_response(/,/^}/s/^	    in.len != 0)/	    in.len > message.len)/
