# agent/flights.c: one more than there are
/^find(struct flights/,/^}/s/i < FLIGHTS_MAX/i <= FLIGHTS_MAX/
