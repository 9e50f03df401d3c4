# agent/policy_setup.c: files that only root may read are given out
/^check_file(/,/^}/s/ (st\.st_mode & S_IROTH) == 0/ false/
