package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/formdata"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/web"
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

	caller context.Context // ends where the caller goes away
	until  time.Time       // all of it must have come
	sounds bool            // what is uploaded is sound

	finder *formdata.Finder
	head   []byte // of a body that is not spooled: what was read to find the model
	file   *os.File
	read   atomic.Int64 // bytes that the caller sent
	size   atomic.Int64 // of the whole body; negative is not announced
	held   int64        // of the disk's budget

	mu       sync.Mutex            // held while reading for an upstream, which may wait for the caller
	failure  atomic.Pointer[error] // why the caller's bytes ended
	ended    atomic.Bool           // properly
	stopping atomic.Bool
	ours     atomic.Bool // it was the gateway that ended the reading
	used     atomic.Bool // an attempt has begun to read what cannot be read again
	unwatch  func()      // ends what listens for the end of an attempt
}

// newUpload reads a multipart body until the model is found, and all of it where a file comes first. The caller closes it.
func newUpload(c *call) (*upload, error) {
	o := &c.p.o
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, errCompressed
	}
	if len(c.r.Header["Content-Type"]) > 1 { // with another boundary, perhaps
		return nil, errContentTypes
	}
	boundary, err := formdata.Boundary(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	if c.r.ContentLength > o.MaxUpload {
		return nil, tooLarge(o.MaxUpload)
	}
	u := &upload{
		source: c.r.Body, control: http.NewResponseController(c.w), o: o, disk: &c.p.spooled,
		caller: c.r.Context(), until: c.total, sounds: c.endpoint.form == formOnly,
		finder: formdata.NewFinder(boundary, "model", "stream", "prompt", "n"),
	}
	u.size.Store(c.r.ContentLength)
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
	_ = u.control.SetReadDeadline(sooner(time.Now().Add(u.o.Read), u.until)) // a server that knows no deadlines does without
	if u.stopping.Load() {
		return 0, errStopped
	}
	n, err := u.source.Read(p)
	if err == nil && u.read.Load()+int64(n) == u.size.Load() {
		// All that was announced. Whether it is whole shows at its end, which must come before the last of it goes to a vendor
		// who may answer at once.
		if _, err = io.ReadFull(u.source, make([]byte, 1)); err == nil {
			err = errors.New("more than was announced")
		}
	}
	if u.read.Add(int64(n)) > u.o.MaxUpload {
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
			return 0, bad
		}
		u.ended.Store(true)
		u.size.Store(u.read.Load())
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
		return u.noRoom(err)
	}
	if err := os.Remove(u.file.Name()); err != nil {
		return u.noRoom(err)
	}
	if err := u.store(u.head); err != nil {
		return err
	}
	u.head = nil
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for !u.ended.Load() {
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
	if n := int64(len(p)); !u.disk.take(n) {
		return u.disk.full(n, noDisk)
	}
	u.held += int64(len(p))
	if _, err := u.file.Write(p); err != nil {
		return u.noRoom(err)
	}
	return nil
}

// noRoom is the refusal of an upload that the disk did not take. Why is for the log.
func (u *upload) noRoom(err error) error {
	web.NoteError(u.caller, fmt.Errorf("spool an upload: %w", err))
	return errNoRoom
}

// Bytes that a token of sound has, at ten tokens a second: at 128 kbit/s for an estimate, at 32 kbit/s for the most that it
// hardly exceeds. Of an upload without a length the most is what OpenAI takes.
const (
	soundTokens     = 10 // a second
	soundBytes      = 1600
	denseSoundBytes = 400
	usualUpload     = 25 << 20
)

// facts are what the gateway knows of the upload so far.
func (u *upload) facts() dialect.Facts {
	field := func(name string) string {
		f, _ := u.finder.Field(name)
		return f.Value
	}
	f := dialect.Facts{Model: field("model"), Stream: strings.EqualFold(field("stream"), "true"), N: 1, TextBytes: int64(len(field("prompt")))}
	if n, err := strconv.ParseInt(field("n"), 10, 32); err == nil {
		f.N = max(1, n) // a vendor says what is wrong with it
	}
	if u.sounds {
		f.Media = 1
	} else {
		f.Images = max(1, int64(u.finder.Files()))
	}
	return f
}

// sound is how many tokens of sound the upload has beyond the few that are counted for each.
func (u *upload) sound() int64 {
	if !u.sounds {
		return 0
	}
	n := u.size.Load()
	if n < 0 {
		n = u.read.Load()
	}
	return max(0, n/soundBytes-mediaTokens)
}

// dense is how many more tokens than its facts say an upload may have. It decides how much is held.
func (u *upload) dense() int64 {
	if u == nil || !u.sounds {
		return 0
	}
	n := u.size.Load()
	if n < 0 {
		n = min(usualUpload, u.o.MaxUpload)
	}
	return n / denseSoundBytes
}

// repeats reports whether another attempt can be made.
func (u *upload) repeats() bool { return u.file != nil || !u.used.Load() }

// open is the body with another model in it, and its length; a negative one is not known. It can be read until ctx ends.
func (u *upload) open(ctx context.Context, model string) (io.ReadCloser, int64) {
	at, _ := u.finder.Field("model")
	size := u.size.Load()
	length := size
	if length >= 0 {
		length += int64(len(model)) - (at.End - at.Start)
	}
	if u.file != nil {
		return io.NopCloser(io.MultiReader(io.NewSectionReader(u.file, 0, at.Start), strings.NewReader(model),
			io.NewSectionReader(u.file, at.End, size-at.End))), length
	}
	// Answers may come before the upload ends.
	_ = u.control.EnableFullDuplex()
	u.watch(ctx)
	return &passing{u: u, ahead: []string{string(u.head[:at.Start]), model, string(u.head[at.End:])}}, length
}

// watch ends the reading with an attempt: a transport whose call was cancelled waits for the body that it reads.
func (u *upload) watch(ctx context.Context) {
	if u.unwatch != nil {
		u.unwatch()
	}
	over := make(chan struct{})
	drop := context.AfterFunc(ctx, func() {
		defer close(over)
		if !u.used.Load() || u.ended.Load() {
			return
		}
		if cause := context.Cause(u.caller); cause == nil || errors.Is(cause, ErrStopping) {
			u.ours.Store(true) // the server takes a read that is interrupted for a caller who went away
		}
		u.stopping.Store(true)
		_ = u.control.SetReadDeadline(time.Unix(1, 0))
	})
	u.unwatch = func() {
		if !drop() {
			<-over
		}
	}
}

// interrupted reports whether the gateway itself ended the reading, by the clock mostly, and the caller may still be there.
func (u *upload) interrupted() bool {
	return u != nil && (u.ours.Load() || errors.Is(u.failed(), errSlow))
}

// content is the whole body of an upload that was spooled.
func (u *upload) content() io.Reader { return io.NewSectionReader(u.file, 0, u.size.Load()) }

// failed is why the caller's bytes ended before their end; nil where they did not.
func (u *upload) failed() error {
	if err := u.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// stop ends the reading for an upstream and waits for it. Nothing is read of the caller afterwards.
func (u *upload) stop() {
	u.stopping.Store(true)
	if u.file == nil && u.used.Load() {
		_ = u.control.SetReadDeadline(time.Unix(1, 0)) // a read that waits for the caller comes back
	}
	u.mu.Lock()
	if u.ended.Load() {
		_ = u.control.SetReadDeadline(time.Time{})
	}
	u.mu.Unlock()
}

// close gives back what the upload holds.
func (u *upload) close() {
	if u.unwatch != nil {
		u.unwatch()
	}
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
	case u.failed() != nil:
		return 0, u.failed()
	case u.ended.Load():
		return 0, io.EOF
	}
	n, err := u.next(b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errStopped) {
		u.failure.Store(&err)
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
	upload *upload
	facts  dialect.Facts
	prompt string
}

// Facts implements dialect.Scanned. How much sound there is may show only at its end.
func (u *uploaded) Facts() *dialect.Facts {
	u.facts.InputTokens = u.upload.sound()
	return &u.facts
}

// Thread implements dialect.Scanned: an upload goes on with nothing.
func (*uploaded) Thread() dialect.Thread { return dialect.Thread{} }

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
	c.scanned = &uploaded{upload: c.upload, facts: c.upload.facts(), prompt: prompt.Value}
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

const noDisk = "The gateway has no room on its disk for another upload. Try again later."

var (
	errStopped      = errors.New("the upload was stopped")
	errNoModel      = &llm.RequestError{Param: "model", Code: "missing_required_parameter", Message: "You must provide a model parameter."}
	errSlow         = fault.New(fault.Invalid, "The request body did not arrive in time.").WithCode(codeSlow)
	errNoRoom       = fault.New(fault.Limited, noDisk).WithCode(codeOverloaded)
	errContentTypes = &llm.RequestError{Code: "invalid_multipart", Message: "The request has more than one Content-Type."}
	errCompressed   = fault.New(fault.Invalid, "The request body must not be compressed.").WithCode("unsupported_content_encoding")
)
