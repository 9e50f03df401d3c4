# The order in which the libraries are built; called by mk/deps.sh with WORK, SOURCES and EFFECTIVE.
# One make for all, so that the job slots are shared: while OpenSSL compiles, the small ones configure.

LIBRARIES := openssl libarchive curl nghttp2 c-ares libzstd zlib json-c libseccomp libisal protobuf-c \
	libyaml libgpg-error libassuan gpgme1.0

all: $(LIBRARIES:%=$(WORK)/done/%)

$(WORK)/done/curl: $(addprefix $(WORK)/done/,openssl nghttp2 c-ares)
$(WORK)/done/libassuan: $(WORK)/done/libgpg-error
$(WORK)/done/gpgme1.0: $(WORK)/done/libassuan
$(WORK)/done/libarchive: $(addprefix $(WORK)/done/,zlib libzstd)

$(LIBRARIES:%=$(WORK)/done/%): $(WORK)/done/tools

$(WORK)/done/tools:
	@mk/build-lib.sh tools $(WORK)
	@touch $@

$(WORK)/done/%:
	+@mk/build-lib.sh $* $(WORK) $(SOURCES) $(EFFECTIVE)
	@touch $@

.PHONY: all
