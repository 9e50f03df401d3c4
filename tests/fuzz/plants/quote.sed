# evidence/quote.c: the body is taken to be there
/^quote_size(/,/^}/s/!span_take(&in, body_size, &body)/(body = in).p == NULL/
