package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/proxy"
)

// BenchmarkCall compares a call through the gateway, its books faked, with one through a bare reverse proxy.
func BenchmarkCall(b *testing.B) {
	body := `{"model":"up-m","messages":[{"role":"user","content":"` + strings.Repeat("word ", 600) + `"}]}`
	streamed := strings.Replace(body, "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1)
	for _, tt := range []struct {
		name, body string
		vendor     http.HandlerFunc
	}{
		{"whole", body, answer(completion)},
		{"stream", streamed, script(200, "text/event-stream", role+strings.Repeat(word, 50)+end+tokens+done)},
	} {
		server := httptest.NewServer(tt.vendor)
		defer server.Close()
		base, err := url.Parse(server.URL + "/v1")
		if err != nil {
			b.Fatal(err)
		}
		key := mint()
		p := &snapshot.Provider{Slug: "v0", Dialect: "openai", BaseURL: base, Visibility: "public", AllowPrivate: true, AskStreamUsage: true,
			Models: map[string]*snapshot.ProviderModel{"up-m": {UpstreamID: "up-m"}}}
		w := &world{snapshot: snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}, Providers: []*snapshot.Provider{p}}), meter: &meter{}}
		client := upstream.New(upstream.Options{})
		defer client.Close()
		gateway := proxy.New(proxy.Options{Config: w, Limits: unlimited{}, Credit: freely{}, Meter: discard{}, Upstream: client})
		bare := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: base.Host})
		bare.FlushInterval = -1
		bare.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
		for name, handler := range map[string]http.Handler{"bare": bare, "gateway": gateway} {
			b.Run(tt.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(tt.body))
					r.Header.Set("Authorization", "Bearer "+key)
					out := httptest.NewRecorder()
					handler.ServeHTTP(out, r)
					if out.Code != 200 {
						b.Fatal(out.Code, out.Body)
					}
				}
			})
		}
	}
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
