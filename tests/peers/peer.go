// peer.go: a caller that is not ours: containerd's ttrpc client, over one connection to the unix socket that is named.
//
// Each line of standard input is a call: ID SERVICE METHOD MILLISECONDS HEX. All of them are under way at the same time.
// Each answer is a line: ID STATUS HEX, of the message, or of the text where the status is not 0; -1: no answer.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
)

// bytes that are a message already
type message struct{ data []byte }

func (m *message) Reset()                     { m.data = nil }
func (m *message) String() string             { return hex.EncodeToString(m.data) }
func (m *message) ProtoMessage()              {}
func (m *message) Marshal() ([]byte, error)   { return m.data, nil }
func (m *message) Unmarshal(data []byte) error { m.data = append([]byte{}, data...); return nil }

var printing sync.Mutex

func answer(id string, code int, data []byte) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Printf("%s %d %s\n", id, code, hex.EncodeToString(data))
}

func call(client *ttrpc.Client, words []string) {
	var ms int
	var reply message
	if _, err := fmt.Sscan(words[3], &ms); err != nil {
		panic(err)
	}
	data, err := hex.DecodeString(words[4])
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ms)*time.Millisecond)
	defer cancel()
	ctx = ttrpc.WithMetadata(ctx, ttrpc.MD{"peer": []string{"go", "twice"}})
	err = client.Call(ctx, words[1], words[2], &message{data}, &reply)
	if err == nil {
		answer(words[0], 0, reply.data)
	} else if errors.Is(err, context.DeadlineExceeded) {
		answer(words[0], 4, []byte("here: "+err.Error()))
	} else if s, ok := status.FromError(err); ok {
		answer(words[0], int(s.Code()), []byte(s.Message()))
	} else {
		answer(words[0], -1, []byte(err.Error()))
	}
}

func main() {
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	client := ttrpc.NewClient(conn)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		go call(client, words)
	}
}
