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
	"strconv"
	"strings"
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/llm"
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
	caller := speakers[0]
	for target, name := range map[*speaker]string{caller: "passed", speakerOf(llm.Anthropic): "translated"} {
		text := strings.Repeat("word ", 400)
		said := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			len(target.answer)-len("Hello")+len(text), strings.Replace(target.answer, "Hello", text, 1))
		b.Run(name+"/whole", func(b *testing.B) { calls(b, target, said, caller.whole, caller.ask, false) })
		events := target.head + strings.Repeat(target.word, 50) + target.tail
		said = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			len(events), events)
		b.Run(name+"/stream", func(b *testing.B) { calls(b, target, said, caller.stream, caller.askStream, true) })
	}
}

// calls sends the same request over and over, on one connection, to a gateway whose vendor always says the same.
func calls(b *testing.B, target *speaker, said []byte, path, ask string, stream bool) {
	log := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	spool, err := usage.OpenSpool(b.TempDir(), log)
	if err != nil {
		b.Fatal(err)
	}
	defer spool.Close()
	client := upstream.New(upstream.Options{})
	defer client.Close()
	p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: "v0", Dialect: target.name, BaseURL: mustURL("http://" + says(b, said) + target.base),
		Visibility: "public", AllowPrivate: true, AskStreamUsage: true, Models: map[string]*snapshot.ProviderModel{"up-m": {UpstreamID: "up-m"}},
		Keys: []snapshot.ProviderKey{{ID: id.New[id.ProviderKey](), Secret: secret.NewText("secret-of-v0"), Weight: 1}}}
	model := &snapshot.Model{ID: id.New[id.Model](), Name: "m", Strategy: "balanced", RetryBudget: 10,
		Routes: []snapshot.Route{{Provider: p, Upstream: p.Models["up-m"], UpstreamID: "up-m", Weight: 1}}}
	text := mint()
	key := newKey(text)
	key.Limits = snapshot.Limits{RequestsPerMinute: 1e8, TokensPerMinute: 1e11, Concurrency: 1e4}
	w := &world{snapshot: snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{key}, Providers: []*snapshot.Provider{p}, Models: []*snapshot.Model{model}})}
	server := httptest.NewServer(web.Wrap(proxy.New(proxy.Options{
		Config: w, Limits: limit.New(nil, log, time.Now), Credit: freely{}, Meter: usage.NewMeter(spool, nobody{}), Upstream: client, Log: log,
	}), web.Options{Log: log}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	body := strings.Replace(fill(ask, ""), "hello there", strings.Repeat("word ", 400), 1)
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: gateway\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		path, text, len(body), body)
	room := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		got, err := message(conn, room, stream)
		if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) {
			b.Fatalf("%v: %s", err, got)
		}
	}
}

// nobody hears of live figures.
type nobody struct{}

func (nobody) Publish(context.Context, string, any) {}

// message reads an HTTP message that fits into room, of a known length or in chunks.
func message(from io.Reader, room []byte, chunked bool) (got []byte, err error) {
	for {
		n, err := from.Read(room[len(got):])
		if got = room[:len(got)+n]; err != nil {
			return got, err
		}
		header, body, whole := bytes.Cut(got, []byte("\r\n\r\n"))
		if !whole {
			continue
		}
		if chunked {
			if bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n")) {
				return got, nil
			}
			continue
		}
		_, length, _ := bytes.Cut(header, []byte("\r\nContent-Length: "))
		digits, _, _ := bytes.Cut(length, []byte("\r"))
		if want, err := strconv.Atoi(string(digits)); err != nil || len(body) >= want {
			return got, err
		}
	}
}

// says is the address of a vendor that answers every request in the same words.
func says(b *testing.B, answer []byte) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				room := make([]byte, 64<<10)
				for {
					if _, err := message(conn, room, false); err != nil {
						return
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
