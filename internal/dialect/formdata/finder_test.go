package formdata_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"aihigress/internal/dialect/formdata"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// crlf writes a body with line breaks as they go over the wire.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

const file = "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\nContent-Type: audio/mpeg\n\n"

// find reads a body in pieces of n bytes.
func find(body string, n int) (*formdata.Finder, error) {
	f := formdata.NewFinder("b", "model", "stream")
	for at := 0; at < len(body); at += n {
		if _, err := f.Write([]byte(body[at:min(len(body), at+n)])); err != nil {
			return f, err
		}
	}
	return f, f.End()
}

func TestFind(t *testing.T) {
	t.Parallel()
	body := crlf("--b\nContent-Disposition: form-data; name=\"prompt\"\n\nmodel\n--b  \n" + file + "--\n-\n--c\n--b\ncontent-disposition: form-data; name=model\n\nwhisper-1\n" +
		"--b\nContent-Disposition: form-data; name=\"stream\"\n\n\n--b--\n")
	for _, n := range []int{1, 2, 3, 7, len(body)} {
		f, err := find(body, n)
		if err != nil {
			t.Fatalf("%d bytes at a time: %v", n, err)
		}
		model, ok := f.Field("model")
		if !ok || model.Value != "whisper-1" || body[model.Start:model.End] != "whisper-1" || f.Files() != 1 {
			t.Errorf("%d bytes at a time: %+v, %d files", n, model, f.Files())
		}
		if stream, ok := f.Field("stream"); !ok || stream.Value != "" || stream.Start != stream.End {
			t.Errorf("%d bytes at a time: an empty field is %+v", n, stream)
		}
		if _, ok := f.Field("prompt"); ok {
			t.Error("nobody looks for the prompt")
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const model = "--b\nContent-Disposition: form-data; name=\"model\"\n\nm\n"
	for name, tt := range map[string]struct{ body, param string }{
		"twice":                             {crlf(model + model + "--b--"), "model"},
		"twice, spelt otherwise":            {crlf(model + "--b\nContent-Disposition: form-data; name=\"mod\\el\"\n\nm\n--b--"), ""},
		"extended notation":                 {crlf("--b\nContent-Disposition: form-data; name*=utf-8''model\n\nm\n--b--"), ""},
		"a file":                            {crlf("--b\nContent-Disposition: form-data; name=\"model\"; filename=\"x\"\n\nm\n--b--"), "model"},
		"encoded":                           {crlf("--b\nContent-Disposition: form-data; name=\"model\"\nContent-Transfer-Encoding: base64\n\nbQ==\n--b--"), "model"},
		"bare line feeds":                   {model + "--b--", ""},
		"boundary behind a feed":            {crlf("--b\n"+file) + "x\n--b\n", ""},
		"boundary within a line":            {crlf("--b\n" + file + "x--b\n--b--"), ""},
		"boundary as a beginning":           {crlf("--b\n" + file + "x\n--bc\n--b--"), ""},
		"boundary right behind":             {crlf("--b\n" + file + "--b--"), ""},
		"preamble":                          {crlf("hello\n" + model + "--b--"), ""},
		"folded header":                     {crlf("--b\nContent-Disposition: form-data;\n name=\"model\"\n\nm\n--b--"), ""},
		"a line feed hides a disposition":   {"--b\r\nX-A: b\nContent-Disposition: form-data; name=\"model\"\r\n" + crlf("Content-Disposition: form-data; name=\"x\"\n\nm\n"+model+"--b--"), ""},
		"a return hides a disposition":      {"--b\r\nX-A: b\rContent-Disposition: form-data; name=\"model\"\r\n" + crlf("Content-Disposition: form-data; name=\"x\"\n\nm\n"+model+"--b--"), ""},
		"a header that ends early":          {"--b\r\nContent-Disposition: form-data; name=\"x\"\nX: y\n\nm\r\n\r\n" + crlf(model+"--b--"), ""},
		"a name behind an escaped quote":    {crlf(model + "--b\nContent-Disposition: form-data; name=\"x\"; filename=\"a\\\"; name=\\\"model\\\"\"\n\nn\n--b--"), ""},
		"a header without a name":           {crlf("--b\n: x\n" + file + "x\n--b--"), ""},
		"parts behind the last boundary":    {crlf(model + "--b--\n" + model + "--b--"), ""},
		"anything behind the last boundary": {crlf(model + "--b--x\n"), ""},
		"parts in parts with our boundary":  {crlf("--b\nContent-Disposition: form-data; name=\"x\"\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n" + file + "x\n--bb--\n--b--"), ""},
		"two dispositions":                  {crlf("--b\nContent-Disposition: form-data; name=a\nContent-Disposition: form-data; name=b\n\nm\n--b--"), ""},
		"no disposition":                    {crlf("--b\nContent-Type: text/plain\n\nm\n--b--"), ""},
		"no name":                           {crlf("--b\nContent-Disposition: form-data\n\nm\n--b--"), ""},
		"long header":                       {crlf("--b\nX: " + strings.Repeat("x", 9000)), ""},
		"breaks off":                        {crlf(model), ""},
		"breaks off in a boundary":          {crlf(model + "--b-"), ""},
		"nothing":                           {"", ""},
		"too many parts":                    {crlf(strings.Repeat("--b\n"+file+"\n", 1001) + "--b--"), ""},
		"blanks without end":                {"--b" + strings.Repeat(" ", 100), ""},
	} {
		for _, n := range []int{1, 5, 1 << 20} {
			_, err := find(tt.body, n)
			if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != tt.param {
				t.Errorf("%s, %d bytes at a time: %v, want a refusal that names %q", name, n, err, tt.param)
			}
		}
	}
}

func TestBoundary(t *testing.T) {
	t.Parallel()
	if b, err := formdata.Boundary(`multipart/form-data; boundary="a b"`); b != "a b" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, bad := range []string{"", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary=" + strings.Repeat("x", 71),
		"multipart/form-data; boundary=a; boundary*=utf-8''b", "multipart/form-data; boundary*0=a; boundary*1=b", "multipart/form-data; boundary=a; boundary=b",
		`multipart/form-data; boundary="a\"b"`, `multipart/form-data; boundary="a "`, "multipart/form-data; boundary=\"a\rb\""} {
		if _, err := formdata.Boundary(bad); err == nil {
			t.Errorf("%q has a boundary", bad)
		}
	}
}

// Parts of a body within a part are content, whatever their boundary; so is a name that looks like a file's.
func TestPartsWithinAPart(t *testing.T) {
	t.Parallel()
	body := crlf("--b\nContent-Disposition: form-data; name=\"x\"\nContent-Type: multipart/mixed; boundary=inner\n\n--inner\nContent-Disposition: form-data; name=\"model\"\n\nn\n--inner--\n" +
		"--b\nContent-Disposition: form-data; name=\"file\"; filename=\"name=\\\"x.mp3\"\n\nx\n--b\nContent-Disposition: form-data; name=\"model\"\n\nm\n--b--\n\n")
	f, err := find(strings.Replace(body, `name=\"x`, `\"x`, 1), 9)
	if model, ok := f.Field("model"); err != nil || !ok || model.Value != "m" {
		t.Errorf("%+v, %v", model, err)
	}
}

// What Go's writer writes is found, wherever it is cut.
func TestFindWhatOthersWrite(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		model := rapid.StringMatching(`[a-z0-9.:/ -]{0,30}`).Draw(t, "model")
		content := rapid.SliceOf(rapid.SampledFrom([]byte("\r\n-ab\x00\xff"))).Draw(t, "content")
		first := rapid.Bool().Draw(t, "model first")
		if first {
			_ = w.WriteField("model", model)
		}
		part, _ := w.CreateFormFile("file", rapid.StringMatching(`[a-zé" \\]{1,10}`).Draw(t, "name"))
		_, _ = part.Write(content)
		if !first {
			_ = w.WriteField("model", model)
		}
		_ = w.Close()
		f := formdata.NewFinder(w.Boundary(), "model")
		body := b.String()
		for r := strings.NewReader(body); r.Len() > 0; {
			piece, _ := io.ReadAll(io.LimitReader(r, int64(rapid.IntRange(1, 40).Draw(t, "piece"))))
			if _, err := f.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		got, ok := f.Field("model")
		if err := f.End(); err != nil || !ok || got.Value != model || body[got.Start:got.End] != model {
			t.Fatalf("%+v, %v in %q", got, err, body)
		}
	})
}

// A Finder never sees another model than the reader that most servers in Go have.
func FuzzFinder(f *testing.F) {
	f.Add([]byte(crlf("--b\nContent-Disposition: form-data; name=\"model\"\n\nm\n--b\n"+file+"x\n--b--\n")), uint8(3))
	f.Add([]byte(crlf("--b\n"+file+"--\n\n--b\nContent-Disposition: form-data; name=model\n\nm\n--b--")), uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		found, err := find(string(body), int(n)+1)
		if err != nil {
			if _, ok := errors.AsType[*llm.RequestError](err); !ok {
				t.Fatalf("%v is nothing for a caller", err)
			}
			return
		}
		model, ok := found.Field("model")
		form, err := multipart.NewReader(bytes.NewReader(body), "b").ReadForm(1 << 20)
		if err != nil {
			return
		}
		theirs := form.Value["model"]
		if ok && (len(theirs) != 1 || theirs[0] != model.Value) || !ok && len(theirs) > 0 {
			t.Fatalf("%q: found %q, they have %q", body, model.Value, theirs)
		}
	})
}
