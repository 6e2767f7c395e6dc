package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/formdata"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
)

// maxHead is how much of an upload is kept in memory before the model is found, in bytes: the short fields before a file.
const maxHead = 64 << 10

// An upload is a multipart body, which is never whole in memory. Where the model's name comes before the file, what follows
// is forwarded as it arrives: once a byte of it went out nothing else can be tried. Where the file comes first, as OpenAI's
// own SDK for Go sends it, the body is spooled to a temporary file, from which any number of attempts can be made.
type upload struct {
	source  io.Reader
	control *http.ResponseController
	o       *Options
	disk    *budget

	finder *formdata.Finder
	head   []byte // of a body that is not spooled: what was read to find the model
	file   *os.File
	read   int64 // bytes that the caller sent
	size   int64 // of the whole body; negative is not announced
	held   int64 // of the disk's budget

	mu       sync.Mutex // held while reading for an upstream
	failure  error      // why the caller's bytes ended
	ended    bool       // properly
	stopping atomic.Bool
	used     atomic.Bool // an attempt has begun to read what cannot be read again
}

// newUpload reads a multipart body until the model is found, and all of it where a file comes first. The caller closes it.
func newUpload(c *call) (*upload, error) {
	o := &c.p.o
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, errCompressed
	}
	boundary, err := formdata.Boundary(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	if c.r.ContentLength > o.MaxUpload {
		return nil, tooLarge(o.MaxUpload)
	}
	u := &upload{
		source: c.r.Body, control: http.NewResponseController(c.w), o: o, disk: &c.p.spooled, size: c.r.ContentLength,
		finder: formdata.NewFinder(boundary, "model", "stream", "prompt"),
	}
	if err := u.find(); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// find reads up to the model.
func (u *upload) find() error {
	buf := make([]byte, 4<<10)
	for {
		n, err := u.next(buf)
		u.head = append(u.head, buf[:n]...)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		_, found := u.finder.Field("model")
		switch {
		case errors.Is(err, io.EOF) && !found:
			return errNoModel
		case found:
			return nil
		case u.finder.Files() > 0, len(u.head) > maxHead:
			if err := u.spool(); err != nil {
				return err
			}
			if _, found := u.finder.Field("model"); !found {
				return errNoModel
			}
			return nil
		}
	}
}

// next reads what the caller sent, and shows it to the finder. The errors are for the caller, but for io.EOF.
func (u *upload) next(p []byte) (int, error) {
	_ = u.control.SetReadDeadline(time.Now().Add(u.o.Read)) // a server that knows no deadlines does without
	if u.stopping.Load() {
		return 0, errStopped
	}
	n, err := u.source.Read(p)
	u.read += int64(n)
	if u.read > u.o.MaxUpload {
		return 0, tooLarge(u.o.MaxUpload)
	}
	if _, bad := u.finder.Write(p[:n]); bad != nil {
		return 0, bad
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		_ = u.control.SetReadDeadline(time.Time{})
		if bad := u.finder.End(); bad != nil {
			return n, bad
		}
		u.ended, u.size = true, u.read
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errSlow
	}
	return n, fmt.Errorf("read request body: %w", fault.Wrap(err, fault.Invalid, "The request body could not be read to its end."))
}

// spool puts the whole body into a temporary file, which has no name once it is open.
func (u *upload) spool() (err error) {
	if u.file != nil {
		return nil
	}
	if u.file, err = os.CreateTemp("", "aihigress-upload-"); err != nil {
		return fmt.Errorf("spool an upload: %w", err)
	}
	if err := os.Remove(u.file.Name()); err != nil {
		return fmt.Errorf("spool an upload: %w", err)
	}
	if err := u.store(u.head); err != nil {
		return err
	}
	u.head = nil
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for !u.ended {
		n, err := u.next(piece[:])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := u.store(piece[:n]); err != nil {
			return err
		}
	}
	return nil
}

func (u *upload) store(p []byte) error {
	if !u.disk.take(int64(len(p))) {
		return errOverloaded
	}
	u.held += int64(len(p))
	if _, err := u.file.Write(p); err != nil {
		return fmt.Errorf("spool an upload: %w", err)
	}
	return nil
}

// facts are what the gateway knows of the upload.
func (u *upload) facts() dialect.Facts {
	field := func(name string) string {
		f, _ := u.finder.Field(name)
		return f.Value
	}
	return dialect.Facts{
		Model: field("model"), Stream: strings.EqualFold(field("stream"), "true"), N: 1,
		TextBytes: int64(len(field("prompt"))), Media: max(1, int64(u.finder.Files())),
	}
}

// repeats reports whether another attempt can be made.
func (u *upload) repeats() bool { return u.file != nil || !u.used.Load() }

// open is the body with another model in it, and its length; a negative one is not known.
func (u *upload) open(model string) (io.ReadCloser, int64) {
	at, _ := u.finder.Field("model")
	length := u.size
	if length >= 0 {
		length += int64(len(model)) - (at.End - at.Start)
	}
	if u.file != nil {
		return io.NopCloser(io.MultiReader(io.NewSectionReader(u.file, 0, at.Start), strings.NewReader(model),
			io.NewSectionReader(u.file, at.End, u.size-at.End))), length
	}
	// Answers may come before the upload ends.
	_ = u.control.EnableFullDuplex()
	return &passing{u: u, ahead: []string{string(u.head[:at.Start]), model, string(u.head[at.End:])}}, length
}

// content is the whole body of an upload that was spooled.
func (u *upload) content() io.Reader { return io.NewSectionReader(u.file, 0, u.size) }

// failed is why the caller's bytes ended before their end; nil where they did not.
func (u *upload) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failure
}

// stop ends the reading for an upstream and waits for it. Nothing is read of the caller afterwards.
func (u *upload) stop() {
	u.stopping.Store(true)
	if u.file == nil && u.used.Load() {
		_ = u.control.SetReadDeadline(time.Unix(1, 0)) // a read that waits for the caller comes back
	}
	u.mu.Lock()
	if u.ended {
		_ = u.control.SetReadDeadline(time.Time{})
	}
	u.mu.Unlock()
}

// close gives back what the upload holds.
func (u *upload) close() {
	u.stop()
	u.disk.give(u.held)
	u.held = 0
	if u.file != nil {
		_ = u.file.Close() // nothing more is read of it
	}
}

// passing is an upload that is read by an upstream's transport while it arrives.
type passing struct {
	u      *upload
	ahead  []string // what comes before what has not arrived
	closed atomic.Bool
}

// Read implements io.Reader.
func (p *passing) Read(b []byte) (int, error) {
	u := p.u
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.closed.Load() || u.stopping.Load() {
		return 0, errStopped
	}
	u.used.Store(true)
	for len(p.ahead) > 0 {
		n := copy(b, p.ahead[0])
		if p.ahead[0] = p.ahead[0][n:]; p.ahead[0] == "" {
			p.ahead = p.ahead[1:]
		}
		if n > 0 {
			return n, nil
		}
	}
	switch {
	case u.failure != nil:
		return 0, u.failure
	case u.ended:
		return 0, io.EOF
	}
	n, err := u.next(b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errStopped) {
		u.failure = err
	}
	return n, err
}

// Close implements io.Closer. Transports call it when they are done.
func (p *passing) Close() error {
	p.closed.Store(true)
	return nil
}

// uploaded is what was scanned of an upload.
type uploaded struct {
	facts  dialect.Facts
	prompt string
}

// Facts implements dialect.Scanned.
func (u *uploaded) Facts() *dialect.Facts { return &u.facts }

// Patch implements dialect.Scanned: an upload is not in memory, and is changed where it is sent.
func (*uploaded) Patch(body []byte, _ dialect.Patch) [][]byte { return [][]byte{body} }

// PromptText implements dialect.Scanned.
func (u *uploaded) PromptText(_ []byte, onText func(part []byte)) { onText([]byte(u.prompt)) }

// receive reads of a multipart body what policy needs.
func (c *call) receive() (err error) {
	if c.upload, err = newUpload(c); err != nil {
		return err
	}
	c.body = &body{budget: &c.p.bodies}
	prompt, _ := c.upload.finder.Field("prompt")
	c.scanned = &uploaded{facts: c.upload.facts(), prompt: prompt.Value}
	return nil
}

// spooled sees that an upload can be read again where a provider of the plan needs it translated.
func (c *call) spooled() error {
	for i := range c.plan {
		if c.upload != nil && !c.endpoint.speaks(c.plan[i].Route.Provider) {
			return c.upload.spool()
		}
	}
	return nil
}

var (
	errStopped    = errors.New("the upload was stopped")
	errNoModel    = &llm.RequestError{Param: "model", Code: "missing_required_parameter", Message: "You must provide a model parameter."}
	errSlow       = fault.New(fault.Invalid, "The request body did not arrive in time.").WithCode(codeSlow)
	errCompressed = fault.New(fault.Invalid, "The request body must not be compressed.").WithCode("unsupported_content_encoding")
)
