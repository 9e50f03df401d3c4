// peer encrypts or decrypts the layers of an image layout with the Go library ocicrypt, which skopeo, podman and
// containerd use for it. It is the smallest program around that library; --encryption-key and --decryption-key are
// skopeo's.
//
//	peer [--encryption-key K]... [--decryption-key K]... SRC DST	layouts in directories; DST is new
//	peer --version							of the library
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/containers/ocicrypt"
	"github.com/containers/ocicrypt/config"
	"github.com/containers/ocicrypt/helpers"
	"github.com/opencontainers/go-digest"
	spec "github.com/opencontainers/image-spec/specs-go/v1"
)

const suffix = "+encrypted"

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func blobPath(dir string, d digest.Digest) string {
	return filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded())
}

func readBlob(dir string, d digest.Digest) ([]byte, error) {
	data, err := os.ReadFile(blobPath(dir, d))
	if err == nil && digest.FromBytes(data) != d {
		err = fmt.Errorf("%s: other content", d)
	}
	return data, err
}

func writeBlob(dir string, data []byte) (digest.Digest, error) {
	d := digest.FromBytes(data)
	return d, os.WriteFile(blobPath(dir, d), data, 0o644)
}

func encrypt(c *config.EncryptConfig, layer *spec.Descriptor, data []byte) ([]byte, error) {
	reader, finish, err := ocicrypt.EncryptLayer(c, bytes.NewReader(data), *layer)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	annotations, err := finish()
	if err != nil {
		return nil, err
	}
	if layer.Annotations == nil {
		layer.Annotations = map[string]string{}
	}
	for name, value := range annotations {
		layer.Annotations[name] = value
	}
	layer.MediaType += suffix
	return out, nil
}

func decrypt(c *config.DecryptConfig, layer *spec.Descriptor, data []byte) ([]byte, error) {
	// The digest that it has a place for is never set: who compares the layers sees whether they are right.
	reader, _, err := ocicrypt.DecryptLayer(c, bytes.NewReader(data), *layer, false)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	layer.Annotations = ocicrypt.FilterOutAnnotations(layer.Annotations)
	layer.MediaType = strings.TrimSuffix(layer.MediaType, suffix)
	return out, nil
}

func copyLayer(c config.CryptoConfig, from, to string, layer *spec.Descriptor) error {
	data, err := readBlob(from, layer.Digest)
	if err != nil {
		return err
	}
	if c.EncryptConfig != nil {
		data, err = encrypt(c.EncryptConfig, layer, data)
	} else if strings.HasSuffix(layer.MediaType, suffix) {
		data, err = decrypt(c.DecryptConfig, layer, data)
	}
	if err != nil {
		return err
	}
	layer.Size = int64(len(data))
	layer.Digest, err = writeBlob(to, data)
	return err
}

func copyManifest(c config.CryptoConfig, from, to string, d *spec.Descriptor) error {
	var manifest spec.Manifest
	data, err := readBlob(from, d.Digest)
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		return err
	}
	data, err = readBlob(from, manifest.Config.Digest)
	if err == nil {
		_, err = writeBlob(to, data)
	}
	for i := 0; i < len(manifest.Layers) && err == nil; i++ {
		err = copyLayer(c, from, to, &manifest.Layers[i])
	}
	if err != nil {
		return err
	}
	data, err = json.Marshal(manifest)
	if err != nil {
		return err
	}
	d.Size = int64(len(data))
	d.Digest, err = writeBlob(to, data)
	return err
}

func run(c config.CryptoConfig, from, to string) error {
	var index spec.Index
	data, err := os.ReadFile(filepath.Join(from, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err == nil && len(index.Manifests) != 1 {
		err = errors.New("not one image")
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(to, "blobs", "sha256"), 0o755)
	}
	if err == nil {
		err = copyManifest(c, from, to, &index.Manifests[0])
	}
	if err != nil {
		return err
	}
	data, err = json.Marshal(index)
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "index.json"), data, 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
	}
	return err
}

func printVersions() {
	fmt.Println("go", strings.TrimPrefix(runtime.Version(), "go"))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if strings.HasSuffix(module.Path, "/ocicrypt") || strings.HasSuffix(module.Path, "/grpc") {
				fmt.Println(module.Path, module.Version)
			}
		}
	}
}

func main() {
	var recipients, keys list
	flag.Var(&recipients, "encryption-key", "jwe:FILE, pkcs7:FILE or provider:NAME:KEYID")
	flag.Var(&keys, "decryption-key", "FILE or provider:NAME")
	version := flag.Bool("version", false, "")
	flag.Parse()
	if *version {
		printVersions()
		return
	}
	c, err := helpers.CreateCryptoConfig(recipients, keys)
	if len(recipients) == 0 {
		c.EncryptConfig = nil
	}
	if err == nil && flag.NArg() != 2 {
		err = errors.New("usage: peer [--encryption-key K]... [--decryption-key K]... SRC DST")
	}
	if err == nil {
		err = run(c, flag.Arg(0), flag.Arg(1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
