package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
	"aihigress/proxy"
)

// BenchmarkCall is a call of 2 KB, one at a time, through the gateway as it runs, but for credit, Redis and Postgres. What it
// allocates is the gateway's and the standard library's: caller and vendor are sockets that allocate nothing.
func BenchmarkCall(b *testing.B) {
	log := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	spool, err := usage.OpenSpool(b.TempDir(), log)
	if err != nil {
		b.Fatal(err)
	}
	defer spool.Close()
	client := upstream.New(upstream.Options{})
	defer client.Close()
	text := strings.Repeat("word ", 400)
	for _, target := range []*speaker{speakers[0], speakers[2]} { // OpenAI's passes, Anthropic's is translated
		for _, stream := range []bool{false, true} {
			path, ask, name := speakers[0].whole, speakers[0].ask, "passed"
			said := plainAnswer("application/json", strings.Replace(target.answer, "Hello", text, 1))
			kind := "whole"
			if stream {
				path, ask, kind = speakers[0].stream, speakers[0].askStream, "stream"
				said = chunkedAnswer("text/event-stream", target.head+strings.Repeat(target.word, 50)+target.tail)
			}
			if target != speakers[0] {
				name = "translated"
			}
			base := mustURL("http://" + says(b, said) + target.base)
			p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: "v0", Dialect: target.name, BaseURL: base, Visibility: "public", AllowPrivate: true, AskStreamUsage: true,
				Models: map[string]*snapshot.ProviderModel{"m": {UpstreamID: "m"}},
				Keys:   []snapshot.ProviderKey{{ID: id.New[id.ProviderKey](), Secret: secret.NewText("secret-of-v0"), Weight: 1}}}
			model := &snapshot.Model{ID: id.New[id.Model](), Name: "m", Strategy: "balanced", RetryBudget: 10,
				Routes: []snapshot.Route{{Provider: p, Upstream: p.Models["m"], UpstreamID: "m", Weight: 1}}}
			secretText := mint()
			key := newKey(secretText)
			key.Limits = snapshot.Limits{RequestsPerMinute: 1e8, TokensPerMinute: 1e11, Concurrency: 1e4}
			w := &world{snapshot: snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{key}, Providers: []*snapshot.Provider{p}, Models: []*snapshot.Model{model}})}
			gateway := proxy.New(proxy.Options{Config: w, Limits: limit.New(nil, log, time.Now), Credit: freely{}, Meter: usage.NewMeter(spool, nobody{}), Upstream: client, Log: log})
			handler := web.Wrap(gateway, web.Options{Log: log})
			body := strings.Replace(fill(ask, ""), "hello there", text, 1)
			request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: gateway\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", path, secretText, len(body), body)
			b.Run(name+"/"+kind, func(b *testing.B) { calls(b, handler, request, stream) })
		}
	}
}

// nobody hears of live figures.
type nobody struct{}

func (nobody) Publish(context.Context, string, any) {}

// calls sends the same request over and over, on one connection.
func calls(b *testing.B, handler http.Handler, request []byte, stream bool) {
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	room := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		got := room[:0]
		for !complete(got, stream) {
			n, err := conn.Read(room[len(got):])
			if err != nil {
				b.Fatal(err)
			}
			got = room[:len(got)+n]
		}
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) {
			b.Fatalf("%s", got)
		}
	}
}

// complete reports whether an HTTP message has come whole.
func complete(got []byte, chunked bool) bool {
	header := bytes.Index(got, []byte("\r\n\r\n"))
	if header < 0 {
		return false
	}
	if chunked {
		return bytes.HasSuffix(got, []byte("\r\n0\r\n\r\n"))
	}
	_, length, _ := bytes.Cut(got[:header], []byte("\r\nContent-Length: "))
	n := 0
	for _, digit := range length {
		if digit < '0' || digit > '9' {
			break
		}
		n = 10*n + int(digit-'0')
	}
	return len(got) >= header+4+n
}

func plainAnswer(kind, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
}

func chunkedAnswer(kind, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", kind, len(body), body)
}

// says is the address of a vendor that answers every request in the same words.
func says(b *testing.B, answer []byte) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				room := make([]byte, 64<<10)
				for {
					got := room[:0]
					for !complete(got, false) {
						n, err := conn.Read(room[len(got):])
						if err != nil {
							return
						}
						got = room[:len(got)+n]
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// BenchmarkPairs is a call of 2 KB through the gateway, its books faked, for every pair of dialects: what a translation
// costs beside the pair that passes through.
func BenchmarkPairs(b *testing.B) {
	client := upstream.New(upstream.Options{})
	defer client.Close()
	for _, target := range speakers {
		for _, stream := range []bool{false, true} {
			vendor, kind := target.answers(false), "whole"
			if stream {
				vendor, kind = events(target.head+strings.Repeat(target.word, 50)+target.tail), "stream"
			}
			server := httptest.NewServer(vendor)
			defer server.Close()
			base, err := url.Parse(server.URL + target.base)
			if err != nil {
				b.Fatal(err)
			}
			key := mint()
			p := &snapshot.Provider{Slug: "v0", Dialect: target.name, BaseURL: base, Visibility: "public", AllowPrivate: true,
				Models: map[string]*snapshot.ProviderModel{"m": {UpstreamID: "m"}}}
			w := &world{snapshot: snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}, Providers: []*snapshot.Provider{p}})}
			gateway := proxy.New(proxy.Options{Config: w, Limits: unlimited{}, Credit: freely{}, Meter: discard{}, Upstream: client})
			for _, caller := range speakers {
				path, body := caller.whole, caller.ask
				if stream {
					path, body = caller.stream, caller.askStream
				}
				body = strings.Replace(fill(body, ""), "hello there", strings.Repeat("word ", 400), 1)
				b.Run(caller.name+"/"+target.name+"/"+kind, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
						r.Header.Set("Authorization", "Bearer "+key)
						out := httptest.NewRecorder()
						gateway.ServeHTTP(out, r)
						if out.Code != 200 {
							b.Fatal(out.Code, out.Body)
						}
					}
				})
			}
		}
	}
}
