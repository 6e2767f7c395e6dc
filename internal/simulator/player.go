package simulator

import (
	"bytes"
	"net/http"
	"time"
)

// voice puts a script into the words of a dialect. The methods append to dst; frames are whole events with LF line ends
// and no line break in their data.
type voice interface {
	// event renders one step, or nothing where the dialect has no word for it.
	event(dst []byte, e event) []byte
	// end renders what follows the last step: usage where it is due, and the dialect's last words.
	end(dst []byte) []byte
	// failure renders an error in the middle of a stream.
	failure(dst []byte) []byte
	// body renders the whole answer as one JSON document.
	body(dst []byte) []byte
}

const eventStream = "text/event-stream; charset=utf-8"

// play answers with a script, streamed or at once, with the pace and the faults that the knobs ask for.
func (x *exchange) play(sc *script, v voice, stream bool) outcome {
	x.prompt, x.parts = sc.usage.prompt, sc.usage
	if !stream {
		return x.playBody(sc, v)
	}
	h := x.w.Header()
	h.Set("Content-Type", x.streamType)
	h.Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	k := &x.knobs
	if k.crlf != lineEndAuto {
		x.crlf = k.crlf == lineEndCRLF
	}
	for range k.comments {
		if x.streamType != eventStream {
			break // a JSON array has no room for comments
		}
		if !x.send([]byte(": SIMULATOR PROCESSING\n\n")) {
			return cancelled
		}
	}
	if k.ttft > 0 {
		if err := x.rc.Flush(); err != nil || !x.wait(k.ttft) {
			return cancelled
		}
	}
	return x.playStream(sc, v)
}

func (x *exchange) playBody(sc *script, v voice) outcome {
	if !x.wait(x.knobs.ttft) || !x.waitTokens(time.Now(), sc.usage.completion) {
		return cancelled
	}
	x.buf = v.body(x.buf[:0])
	how := x.reply(x.buf)
	if how == completed {
		x.sent = sc.usage.completion
	}
	return how
}

func (x *exchange) playStream(sc *script, v voice) outcome {
	k := &x.knobs
	start := time.Now()
	tokens, broken := 0, false
	for _, e := range sc.events {
		switch tokens {
		case k.cut:
			x.drop = true
			return failed
		case k.stall:
			return x.stall()
		case k.streamError:
			x.send(v.failure(x.buf[:0]))
			return failed
		}
		if e.isToken() && !x.waitTokens(start, tokens) {
			return cancelled
		}
		x.buf = v.event(x.buf[:0], e)
		if e.isToken() {
			tokens++
		}
		if k.malformed > 0 && tokens >= k.malformed && !broken && len(x.buf) > 0 {
			broken = true
			x.buf = breakFrame(x.buf)
		}
		if !x.frame() {
			return cancelled
		}
		if e.isToken() {
			x.sent++
		}
	}
	x.sent = sc.usage.completion
	x.buf = v.end(x.buf[:0])
	if !x.frame() {
		return cancelled
	}
	if broken {
		return failed
	}
	return completed
}

// breakFrame cuts the last frame of a rendering short.
func breakFrame(b []byte) []byte {
	from := 0
	if i := bytes.LastIndex(bytes.TrimRight(b, "\n"), []byte("\n\n")); i >= 0 {
		from = i + 2
	}
	return append(b[:from+(len(b)-from)*2/3], "\n\n"...)
}

// frame sends what was rendered.
func (x *exchange) frame() bool {
	if x.crlf {
		x.buf = bytes.ReplaceAll(x.buf, []byte("\n"), []byte("\r\n"))
	}
	return x.send(x.buf)
}
