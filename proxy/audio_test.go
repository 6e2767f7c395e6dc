package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

const boundary = "----b0undary"

// formOf is a multipart body: "name=value" is a field, "@" stands for the file, which has n bytes.
func formOf(n int, parts ...string) string {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary(boundary)
	for _, p := range parts {
		if p == "@" {
			file, _ := w.CreateFormFile("file", "a.mp3")
			_, _ = file.Write(bytes.Repeat([]byte("\r\n-\x00"), n/4+1)[:n])
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		_ = w.WriteField(name, value)
	}
	_ = w.Close()
	return b.String()
}

const formType = "multipart/form-data; boundary=" + boundary

// upload posts a form whose length is told or not.
func (w *world) upload(path string, body io.Reader, length int64) answered {
	w.t.Helper()
	r := w.request(path, "", "Content-Type", formType)
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(body), length, nil
	return w.do(r)
}

const transcript = `{"text":"Hello","usage":{"type":"tokens","input_tokens":100,"input_token_details":{"text_tokens":0,"audio_tokens":100},"output_tokens":20,"total_tokens":120}}`

// An upload reaches the vendor byte for byte but for the model, wherever that stands, however the bytes come.
func TestTranscription(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"model first": {"model=m", "@", "language=en"}, "file first": {"@", "response_format=json", "model=m"}, "no file": {"prompt=m", "model=m"},
	} {
		for _, told := range []bool{true, false} {
			for _, bytewise := range []bool{true, false} {
				var got asked
				w := newWorld(t, []vendor{{handler: noting(&got, answer(transcript))}})
				text := formOf(3000, parts...)
				body, length := io.Reader(strings.NewReader(text)), int64(-1)
				if bytewise {
					body = iotest.OneByteReader(body)
				}
				if told {
					length = int64(len(text))
				}
				a := w.upload("/audio/transcriptions", body, length)
				if a.StatusCode != 200 || a.body != transcript {
					t.Fatalf("%s: %d %s", name, a.StatusCode, a.body)
				}
				want := formOf(3000, strings.Split(strings.Replace(strings.Join(parts, "\n"), "model=m", "model=up-m", 1), "\n")...)
				if got != (asked{"/v1/audio/transcriptions", want, formType}) {
					t.Errorf("%s, length told %v, bytewise %v: asked %q", name, told, bytewise, got)
				}
				e := w.only()
				if e.Usage.Input != 100 || e.Usage.AudioInput != 100 || e.Usage.Output != 20 || e.Charge == nil || *e.Charge != charged || e.Endpoint != "/audio/transcriptions" || e.Outcome != usage.OK {
					t.Errorf("%s: %+v", name, e)
				}
			}
		}
	}
}

func TestTranscriptsOfEveryForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, kind, body string
		input, output    int64 // at least
		estimated        bool
	}{
		{"subtitles", "application/x-subrip", "1\n00:00:00,000 --> 00:00:02,000\nHello there\n", 1, 3, true},
		{"text", "text/plain", "Hello there, all of you\n", 1, 3, true},
		{"by the second", "application/json", `{"text":"Hello","usage":{"type":"duration","seconds":12}}`, 120, 0, true},
		{"verbose", "application/json", `{"task":"transcribe","duration":1.5,"text":"Hello","segments":[{"text":"Hello"}]}`, 15, 0, true},
		{"events", "text/event-stream", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello\"}\r\n\r\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":37,\"output_tokens\":145,\"total_tokens\":182}}\r\n\r\ndata: [DONE]\r\n\r\n", 37, 145, false},
		{"events without an end", "text/event-stream", "data: {\"type\":\"transcript.text.done\",\"text\":\"Hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":37,\"output_tokens\":145,\"total_tokens\":182}}\n\n", 37, 145, false},
	} {
		for _, parts := range [][]string{{"model=m", "stream=true", "@"}, {"@", "model=m", "stream=true"}} {
			w := newWorld(t, []vendor{{handler: script(200, tt.kind, tt.body)}})
			a := w.upload("/audio/transcriptions", strings.NewReader(formOf(100, parts...)), -1)
			if a.StatusCode != 200 || a.body != tt.body || a.Header.Get("Content-Type") != tt.kind {
				t.Errorf("%s: %d %q", tt.name, a.StatusCode, a.body)
			}
			if e := w.only(); e.Outcome != usage.OK || e.Usage.TotalInput() < tt.input || e.Usage.Output < tt.output || e.Usage.Estimated != tt.estimated {
				t.Errorf("%s: %+v", tt.name, e)
			}
		}
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, kind string
		status           int
		says             string
	}{
		{"no form", `{"model":"m"}`, "application/json", 400, "multipart/form-data"},
		{"no model", formOf(10, "@"), formType, 400, `"param":"model"`},
		{"unknown model", formOf(10, "model=x", "@"), formType, 404, `"param":"model"`},
		{"two models", formOf(10, "@", "model=m", "model=n"), formType, 400, `"param":"model"`},
		{"two models, the other behind the file", formOf(100_000, "model=m", "@", "model=n"), formType, 400, `"param":"model"`},
		{"broken off", formOf(100_000, "model=m", "@")[:90_000], formType, 400, "breaks off"},
		{"too large", formOf(300_000, "model=m", "@"), formType, 413, "200000 bytes"},
		{"too large, file first", formOf(300_000, "@", "model=m"), formType, 413, "200000 bytes"},
	} {
		for _, length := range []int64{-1, int64(len(tt.body))} {
			var first, second asked // vendors that read the whole upload: one that answers sooner is believed
			w := newWorld(t, []vendor{{handler: noting(&first, answer(transcript))}, {handler: noting(&second, answer(transcript))}}, func(o *proxy.Options, _ *snapshot.Contents) { o.MaxUpload = 200_000 })
			r := w.request("/audio/transcriptions", "", "Content-Type", tt.kind)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(tt.body)), length
			a := w.do(r)
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.says) {
				t.Errorf("%s: %d %s", tt.name, a.StatusCode, a.body)
			}
			if e := w.only(); e.Outcome == usage.OK || e.HTTPStatus != tt.status || w.credit.stillHeld() != 0 || e.Outcome == usage.UpstreamError {
				t.Errorf("%s: %+v", tt.name, e)
			}
		}
	}
}

// A spooled upload can be tried elsewhere; one that passes through can until a byte of it went out.
func TestUploadsFailOver(t *testing.T) {
	t.Parallel()
	down := script(503, "application/json", `{"error":{"message":"down"}}`)
	for _, tt := range []struct {
		name   string
		first  vendor
		parts  []string
		status int
	}{
		{"spooled", vendor{handler: down}, []string{"@", "model=m"}, 200},
		{"passing", vendor{handler: down}, []string{"model=m", "@"}, 503},
	} {
		var got asked
		w := newWorld(t, []vendor{tt.first, {handler: noting(&got, answer(transcript))}})
		a := w.upload("/audio/translations", strings.NewReader(formOf(5000, tt.parts...)), -1)
		if a.StatusCode != tt.status || (got.body != "") != (tt.status == 200) {
			t.Errorf("%s: %d %s", tt.name, a.StatusCode, a.body)
		}
	}
	// Nobody listens at the first: nothing went out.
	var got asked
	w := newWorld(t, []vendor{{handler: down}, {handler: noting(&got, answer(transcript))}}, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Providers[0].BaseURL.Host = "127.0.0.1:1"
	})
	if a := w.upload("/audio/translations", strings.NewReader(formOf(5000, "model=m", "@")), -1); a.StatusCode != 200 || got.body != formOf(5000, "model=up-m", "@") {
		t.Errorf("unreached: %d %s", a.StatusCode, a.body)
	}
}

// A caller who goes away in the middle of an upload ends the call, and what it held comes back.
func TestCancelledUpload(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{{"model=m", "@"}, {"@", "model=m"}} {
		arrived := make(chan struct{})
		w := newWorld(t, []vendor{{handler: func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }}}, func(o *proxy.Options, _ *snapshot.Contents) {
			o.Config = &begun{Configuration: o.Config, signal: arrived}
		})
		w.meter.signal = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		r := w.request("/audio/transcriptions", "", "Content-Type", formType).WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+w.key)
		half, end := io.Pipe()
		r.Body, r.ContentLength = half, -1
		go func() {
			_, _ = end.Write([]byte(formOf(200_000, parts...))[:100_000])
			<-arrived
			cancel()
			_ = end.CloseWithError(context.Canceled) // the client's transport waits for its body
		}()
		if response, err := http.DefaultTransport.RoundTrip(r); err == nil {
			response.Body.Close()
			t.Error("an answer to half an upload")
		}
		<-w.meter.signal
		if e := w.only(); e.Outcome == usage.OK || w.credit.stillHeld() != 0 {
			t.Errorf("%v: %+v", parts, e)
		}
	}
}

// An upload is never whole in memory, and leaves no file behind.
func TestMemoryOfAnUpload(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	const size = 60 << 20
	for name, order := range map[string]bool{"model first": true, "file first": false} {
		var arrived int64
		w := newWorld(t, []vendor{{handler: func(rw http.ResponseWriter, r *http.Request) {
			arrived, _ = io.Copy(io.Discard, r.Body)
			answer(transcript)(rw, r)
		}}})
		empty := formOf(0, "@")
		cut := strings.Index(empty, "\r\n--"+boundary+"--")
		model := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
		head, tail := empty[:cut], "\r\n"+model+"--"+boundary+"--\r\n"
		if order {
			head, tail = model+empty[:cut], empty[cut:]
		}
		body := io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, size), strings.NewReader(tail))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := w.upload("/audio/transcriptions", body, -1)
		runtime.ReadMemStats(&after)
		if a.StatusCode != 200 || arrived != int64(len(head)+size+len(tail)+len("up-")) {
			t.Fatalf("%s: %d %s, %d bytes arrived", name, a.StatusCode, a.body, arrived)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
			t.Errorf("%s: %d bytes were allocated for an upload of %d", name, allocated, size)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		t.Error("the folder is gone")
	}
}

// begun tells when the first call has arrived.
type begun struct {
	proxy.Configuration
	once   sync.Once
	signal chan struct{}
}

func (b *begun) Current() *snapshot.Snapshot {
	b.once.Do(func() { close(b.signal) })
	return b.Configuration.Current()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSpeech(t *testing.T) {
	t.Parallel()
	const ask = `{"model":"m","input":"say hello","voice":"alloy"%s}`
	sound := "ID3\x00\xff\xfb{\"" + strings.Repeat("\x90\x00", 40_000)
	done := "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":100,\"output_tokens\":20,\"total_tokens\":120}}\n\n"
	for _, tt := range []struct {
		name, extra, kind, body string
		want                    usage.Outcome
		told                    bool
	}{
		{"sound", "", "audio/mpeg", sound, usage.OK, false},
		{"events", `,"stream_format":"sse"`, "text/event-stream", done, usage.OK, true},
	} {
		var got asked
		w := newWorld(t, []vendor{{handler: noting(&got, script(200, tt.kind, tt.body))}})
		a := w.post("/audio/speech", strings.Replace(ask, "%s", tt.extra, 1))
		if a.StatusCode != 200 || a.body != tt.body || a.Header.Get("Content-Type") != tt.kind || got.body != strings.Replace(strings.Replace(ask, "%s", tt.extra, 1), `"m"`, `"up-m"`, 1) {
			t.Errorf("%s: %d, %d bytes; asked %+v", tt.name, a.StatusCode, len(a.body), got)
		}
		e := w.only()
		if e.Outcome != tt.want || e.Usage.Estimated == tt.told || e.Usage.Input == 0 || tt.told && (e.Charge == nil || *e.Charge != charged) || e.Streamed != tt.told {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// Sound is played while it comes: what the vendor has sent is with the caller before the vendor sends more.
func TestSpeechComesAtOnce(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(rw, "first")
		_ = http.NewResponseController(rw).Flush()
		<-heard
		_, _ = io.WriteString(rw, " last")
	}}})
	ask := w.request("/audio/speech", `{"model":"m","input":"say hello","voice":"alloy"}`, "Authorization", "Bearer "+w.key)
	response, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	piece := make([]byte, 4)
	if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != "firs" {
		t.Fatalf("%q, %v", piece, err)
	}
	close(heard)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "t last" {
		t.Errorf("%q, %v", rest, err)
	}
	if e := w.only(); e.Outcome != usage.OK || e.HTTPStatus != 200 {
		t.Errorf("%+v", e)
	}
}
