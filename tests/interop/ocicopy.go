// ocicopy copies one image, encrypting or decrypting it on the way. It is the smallest program around the
// Go library that skopeo and podman copy images with, so that its present state can be met; the flags
// are skopeo's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/containers/ocicrypt/config"
	"github.com/containers/ocicrypt/helpers"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func parse(name string) (types.ImageReference, error) {
	transport, rest, _ := strings.Cut(name, ":")
	switch transport {
	case "oci":
		return layout.ParseReference(rest)
	case "oci-archive":
		return archive.ParseReference(rest)
	case "docker":
		return docker.ParseReference(rest)
	}
	return nil, fmt.Errorf("%s: no such transport here", name)
}

func run(recipients, keys list, tlsVerify bool, from, to string) error {
	policy := &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
	context_, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	src, err := parse(from)
	if err != nil {
		return err
	}
	dst, err := parse(to)
	if err != nil {
		return err
	}
	world := &types.SystemContext{DockerInsecureSkipTLSVerify: types.NewOptionalBool(!tlsVerify)}
	options := &copy.Options{SourceCtx: world, DestinationCtx: world}
	if len(recipients) > 0 {
		c, err := helpers.CreateCryptoConfig(recipients, nil)
		if err != nil {
			return err
		}
		options.OciEncryptConfig = config.CombineCryptoConfigs([]config.CryptoConfig{c}).EncryptConfig
		options.OciEncryptLayers = &[]int{}
	}
	if len(keys) > 0 {
		c, err := helpers.CreateCryptoConfig(nil, keys)
		if err != nil {
			return err
		}
		options.OciDecryptConfig = config.CombineCryptoConfigs([]config.CryptoConfig{c}).DecryptConfig
	}
	_, err = copy.Image(context.Background(), context_, dst, src, options)
	return err
}

func main() {
	var recipients, keys list
	flag.Var(&recipients, "encryption-key", "jwe:FILE or provider:NAME:KEYID; may come several times")
	flag.Var(&keys, "decryption-key", "FILE or provider:NAME; may come several times")
	tlsVerify := flag.Bool("tls-verify", true, "")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: ocicopy [flags] SRC DST")
		os.Exit(2)
	}
	if err := run(recipients, keys, *tlsVerify, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "ocicopy:", err)
		os.Exit(1)
	}
}
