package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// Where the disk takes no upload its caller is told so, and to come again; those that need no disk go on.
func TestUploadsWithoutRoom(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	for _, tt := range []struct {
		name   string
		max    int64
		parts  []string
		status int
	}{
		{"no folder", 0, []string{"@", "model=m"}, 503},
		{"no budget", 10, []string{"@", "model=m"}, 503},
		{"passing", 10, []string{"model=m", "@"}, 200},
	} {
		w := newWorld(t, []vendor{{handler: answer(transcript)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.MaxSpooled = tt.max })
		a := w.upload("/audio/transcriptions", strings.NewReader(formOf(5000, tt.parts...)), -1)
		if a.StatusCode != tt.status || tt.status == 503 && (!strings.Contains(a.body, "no room on its disk") || !strings.Contains(a.body, "gateway_overloaded")) {
			t.Errorf("%s: %d %s", tt.name, a.StatusCode, a.body)
		}
		if e := w.only(); (e.Outcome == usage.Refused) != (tt.status == 503) || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// What two readers could understand differently is refused before or while it goes out.
func TestUploadsThatHideAModel(t *testing.T) {
	t.Parallel()
	field := func(header, value string) string {
		return "--" + boundary + "\r\n" + header + "\r\n\r\n" + value + "\r\n"
	}
	const end = "--" + boundary + "--\r\n"
	model := field(`Content-Disposition: form-data; name="model"`, "m")
	for name, body := range map[string]string{
		"a line break in a file's name":  model + field("Content-Disposition: form-data; name=\"file\"; filename=\"a\nContent-Disposition: form-data; name=\"model\"\n\nx\"", "s") + end,
		"a header after a line feed":     model + field("X-A: b\nContent-Disposition: form-data; name=\"model\"\r\nContent-Disposition: form-data; name=\"file\"; filename=a", "s") + end,
		"a name in a file's name":        model + field(`Content-Disposition: form-data; name="file"; filename="a\"; name=\"model"`, "s") + end,
		"behind the end":                 model + end + field(`Content-Disposition: form-data; name="model"`, "x") + end,
		"a boundary in the model's name": field(`Content-Disposition: form-data; name="model"`, "v0/--"+boundary+"--") + end,
		"too many parts":                 model + strings.Repeat(field(`Content-Disposition: form-data; name="a"`, ""), 1000) + end,
	} {
		w := newWorld(t, []vendor{{handler: answer(transcript)}}, func(_ *proxy.Options, c *snapshot.Contents) { c.Providers[0].AcceptAnyModel = true })
		a := w.upload("/audio/transcriptions", strings.NewReader(body), int64(len(body)))
		if a.StatusCode != 400 || !strings.Contains(a.body, "invalid_multipart") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	w := newWorld(t, []vendor{{handler: answer(transcript)}})
	body := formOf(10, "model=m", "@")
	r := w.request("/audio/transcriptions", "", "Content-Type", formType)
	r.Header.Add("Content-Type", "multipart/form-data; boundary=other")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	if a := w.do(r); a.StatusCode != 400 || !strings.Contains(a.body, "more than one Content-Type") {
		t.Errorf("two boundaries: %d %s", a.StatusCode, a.body)
	}
}

// Names that only look like the model's are left alone, and quotes in the name of a file reach the vendor as they are.
func TestUploadsWithOddNames(t *testing.T) {
	t.Parallel()
	var got asked
	w := newWorld(t, []vendor{{handler: noting(&got, answer(transcript))}})
	body := formOf(100, "Model=x", "model[]=y", "model=m", "@")
	body = strings.Replace(body, `filename="a.mp3"`, `filename="a \"b\" %22.mp3"`, 1)
	if a := w.upload("/audio/transcriptions", strings.NewReader(body), -1); a.StatusCode != 200 || got.body != strings.Replace(body, "\r\n\r\nm\r\n", "\r\n\r\nup-m\r\n", 1) {
		t.Errorf("%d %s, asked %q", a.StatusCode, a.body, got.body)
	}
}

// Sound is held and, where its vendor tells nothing, paid by its size and not by the piece.
func TestSoundIsPaidBySize(t *testing.T) {
	t.Parallel()
	const size = 8 << 20 // nearly nine minutes at 128 kbit/s
	for name, parts := range map[string][]string{"passing": {"model=m", "@"}, "spooled": {"@", "model=m"}} {
		for _, told := range []bool{true, false} {
			w := newWorld(t, []vendor{{handler: script(200, "text/plain", "Hello")}})
			body, length := formOf(size, parts...), int64(-1)
			if told {
				length = int64(len(body))
			}
			w.upload("/audio/transcriptions", strings.NewReader(body), length)
			e := w.only()
			if e.Usage.Input < size/1700 || e.Usage.Input > size/1500 || !e.Usage.Estimated || e.Hold < *e.Charge || e.Hold < 4*size/1600*1000 {
				t.Errorf("%s, length told %v: %d tokens, held %d, charged %d", name, told, e.Usage.Input, e.Hold, *e.Charge)
			}
		}
	}
}

// What is held for pictures and speech covers the dearest that a vendor makes.
func TestHoldsBesideGeneration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, body, kind string
		least            int64 // tokens of output, at ten credits a million
	}{
		{"/images/generations", `{"model":"m","prompt":"a cat","n":3}`, "application/json", 3 * 6240},
		{"/images/edits", formOf(10, "model=m", "prompt=a hat", "n=2", "@"), formType, 6240},
		{"/images/edits", formOf(10, "@", "model=m", "prompt=a hat", "n=2"), formType, 6240},
		{"/audio/speech", `{"model":"m","input":"hello","voice":"alloy"}`, "application/json", 6250},
	} {
		w := newWorld(t, []vendor{{handler: answer(`{"data":[],"usage":{"input_tokens":100,"output_tokens":20}}`)}})
		w.post(tt.path, tt.body, "Content-Type", tt.kind)
		if e := w.only(); int64(e.Hold) < tt.least*10_000 || e.Charge == nil || *e.Charge != charged || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.path, e)
		}
	}
}

// sending makes a call whose body goes on when it ends, and waits until it is booked. The status is 0 where the client was
// still sending when its connection was closed, and so does not look for an answer.
func (w *world) sending(r *http.Request) (status int) {
	w.t.Helper()
	w.meter.signal = make(chan struct{})
	r.Header.Set("Authorization", "Bearer "+w.key)
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		status = response.StatusCode
		response.Body.Close()
	}
	<-w.meter.signal
	return status
}

// A caller who sends a byte now and then is not waited for beyond the time that the call has.
func TestUploadThatDrips(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{{"model=m", "@"}, {"@", "model=m"}} {
		w := newWorld(t, []vendor{{handler: answer(transcript)}})
		r := w.request("/audio/transcriptions", "", "Content-Type", formType, "X-Aihigress-Timeout-Ms", "300")
		half, end := io.Pipe()
		r.Body, r.ContentLength = half, -1
		stop := make(chan struct{})
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			defer end.Close()
			text := formOf(100_000, parts...)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for i := range text {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				if _, err := io.WriteString(end, text[i:i+1]); err != nil {
					return
				}
			}
		}()
		status := w.sending(r)
		close(stop)
		_ = half.Close()
		<-dripped
		if status != 408 && status != 504 && status != 0 {
			t.Errorf("%v: %d", parts, status)
		}
		if e := w.only(); e.HTTPStatus != 408 && e.HTTPStatus != 504 || e.Outcome == usage.OK || status != 0 && w.credit.stillHeld() != 0 || e.Duration > 20*time.Second {
			t.Errorf("%v: %+v", parts, e)
		}
	}
}

// An upload that its caller does not go on with ends with the attempt, and its caller, who may still be there, is told why.
func TestUploadThatStalls(t *testing.T) {
	t.Parallel()
	waits := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	leaves := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack() // a server would wait for the rest of the body
		if err == nil {
			conn.Close()
		}
	}
	for _, tt := range []struct {
		name    string
		vendor  http.HandlerFunc
		change  func(o *proxy.Options)
		timeout string
		status  []int
		drips   bool
	}{
		{"the caller's silence", waits, func(o *proxy.Options) { o.Read = 200 * time.Millisecond }, "", []int{408}, false},
		{"the attempt's time", waits, func(o *proxy.Options) { o.FirstByte = 200 * time.Millisecond }, "", []int{504}, false},
		{"the call's time", waits, func(o *proxy.Options) {}, "200", []int{504, 408}, false},
		{"the vendor's leave", leaves, func(o *proxy.Options) { o.Read = 200 * time.Millisecond }, "", []int{502, 408}, false},
		{"the vendor's leave before the caller's next byte", leaves, func(*proxy.Options) {}, "", []int{502, 0}, true},
	} {
		w := newWorld(t, []vendor{{handler: tt.vendor}}, func(o *proxy.Options, _ *snapshot.Contents) { tt.change(o) })
		r := w.request("/audio/transcriptions", "", "Content-Type", formType)
		if tt.timeout != "" {
			r.Header.Set("X-Aihigress-Timeout-Ms", tt.timeout)
		}
		half, end := io.Pipe()
		r.Body, r.ContentLength = half, -1
		written := make(chan struct{})
		go func() {
			defer close(written)
			text := formOf(200_000, "model=m", "@")
			_, err := io.WriteString(end, text[:100_000])
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := 100_000; tt.drips && err == nil && i < len(text); i++ {
				<-tick.C
				_, err = io.WriteString(end, text[i:i+1])
			}
		}()
		start := time.Now()
		status := w.sending(r)
		_ = half.Close()
		<-written
		if took := time.Since(start); !slices.Contains(tt.status, status) || took > 30*time.Second {
			t.Errorf("%s, after %v: %d", tt.name, took, status)
		}
		if e := w.only(); e.Outcome == usage.OK || e.Outcome == usage.Cancelled || status != 0 && e.HTTPStatus != status || e.HTTPStatus < 400 || status != 0 && w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// The vendor's call ends with the caller's, and soon.
func TestCallerLeavesAnUpload(t *testing.T) {
	t.Parallel()
	asked, left := make(chan struct{}), make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(left)
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	r := w.request("/audio/transcriptions", "", "Content-Type", formType, "Authorization", "Bearer "+w.key).WithContext(ctx)
	half, end := io.Pipe()
	r.Body, r.ContentLength = half, -1
	go func() { _, _ = io.WriteString(end, formOf(200_000, "model=m", "@")[:100_000]) }()
	go func() {
		<-asked
		cancel()
		_ = end.CloseWithError(context.Canceled)
	}()
	if response, err := http.DefaultTransport.RoundTrip(r); err == nil {
		response.Body.Close()
		t.Error("an answer to half an upload")
	}
	start := time.Now()
	<-left
	if took := time.Since(start); took > 10*time.Second { // loaded machines; it is milliseconds
		t.Errorf("the vendor's call went on for %v", took)
	}
}

// A caller who waits for leave to send gets it once the key is known to be good, and not before.
func TestUploadThatExpectsLeave(t *testing.T) {
	t.Parallel()
	for _, good := range []bool{true, false} {
		w := newWorld(t, []vendor{{handler: answer(transcript)}})
		key := w.key
		if !good {
			key = "sk-hg-none"
		}
		body := formOf(100, "@", "model=m")
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(w.url, "http://"), "/v1"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", key, formType, len(body))
		answers := bufio.NewReader(conn)
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if !good {
			if !strings.Contains(line, " 401 ") {
				t.Errorf("a bad key: %s", line)
			}
			continue
		}
		if !strings.Contains(line, " 100 ") {
			t.Fatalf("no leave: %s", line)
		}
		_, _ = answers.ReadString('\n')
		_, _ = io.WriteString(conn, body)
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || string(got) != transcript || err != nil {
			t.Errorf("%d %s, %v", response.StatusCode, got, err)
		}
	}
}
