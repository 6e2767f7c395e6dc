package simulator

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// formFields are the fields of a request that comes as JSON or as a form. Values of JSON that are not texts are as they
// stand in it.
type formFields struct {
	values map[string]string
	files  [][]byte
}

func (f *formFields) get(name string) string { return f.values[name] }

// maxParts bounds the parts of a form.
const maxParts = 100

// readFields reads a request's fields, and its files where it is a form.
func readFields(x *exchange) (*formFields, *failure) {
	f := &formFields{values: map[string]string{}}
	kind, params, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		if fail := decode(x.body, &struct{}{}); fail != nil {
			return nil, fail
		}
		gjson.ParseBytes(x.body).ForEach(func(key, value gjson.Result) bool {
			f.values[key.Str] = value.String()
			return true
		})
		return f, nil
	}
	form := multipart.NewReader(bytes.NewReader(x.body), params["boundary"])
	for range maxParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		var value []byte
		if err == nil {
			value, err = io.ReadAll(part)
		}
		if err != nil {
			return nil, badRequest("", "", "Could not parse multipart form")
		}
		if part.FileName() != "" {
			f.files = append(f.files, value)
		} else {
			f.values[part.FormName()] = string(value)
		}
	}
	return nil, badRequest("", "", "Too many parts in the form")
}

// formModel reads the model's name out of a form.
func formModel(contentType string, body []byte) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxParts {
		part, err := form.NextPart()
		if err != nil {
			return ""
		}
		if part.FormName() == "model" {
			name, _ := io.ReadAll(io.LimitReader(part, maxSpec)) // a cut name is as good as none
			return string(name)
		}
	}
	return ""
}

// playEvents streams events that are ready, with the faults that the knobs ask for; each counts as a token.
func (x *exchange) playEvents(events []string, contentType string) outcome {
	k := &x.knobs
	x.w.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(http.StatusOK)
	if !x.wait(k.ttft) {
		return cancelled
	}
	x.crlf = k.crlf == lineEndCRLF && contentType == eventStream
	start := time.Now()
	for i, e := range events {
		switch i {
		case k.cut:
			x.drop = true
			return failed
		case k.stall:
			return x.stall()
		case k.streamError:
			x.send((&chatVoice{}).failure(nil))
			return failed
		}
		if !x.waitTokens(start, i) {
			return cancelled
		}
		x.buf = append(x.buf[:0], e...)
		if !x.frame() {
			return cancelled
		}
		x.sent++
	}
	return completed
}

// answerSpeech answers POST /v1/audio/speech: silence, longer for longer texts, in the formats that can be made by hand.
func answerSpeech(x *exchange) outcome {
	var q struct {
		Model          string          `json:"model"`
		Input          string          `json:"input"`
		Voice          json.RawMessage `json:"voice"`
		ResponseFormat string          `json:"response_format"`
		StreamFormat   string          `json:"stream_format"`
	}
	if fail := decode(x.body, &q); fail != nil {
		return x.fail(fail)
	}
	switch {
	case q.Model == "":
		return x.fail(badRequest("", "", "you must provide a model parameter"))
	case q.Input == "":
		return x.fail(missing("input"))
	case len(q.Voice) == 0:
		return x.fail(missing("voice"))
	}
	frames := 8 + len(q.Input)/8
	contentType, sound := "audio/mpeg", silentMP3(frames)
	switch q.ResponseFormat {
	case "", "mp3":
	case "wav":
		contentType, sound = "audio/wav", silentWAV(frames)
	case "pcm":
		contentType, sound = "audio/pcm", make([]byte, frames*wavFrame)
	default:
		return x.fail(badRequest("response_format", "invalid_value", "The simulator can make mp3, wav and pcm, but not '%s'.", q.ResponseFormat))
	}
	x.prompt = tokensOf(len(q.Input))
	var events []string
	for piece := range slices.Chunk(sound, 1024) {
		if q.StreamFormat == "sse" {
			events = append(events, `data: {"type":"speech.audio.delta","audio":"`+base64.StdEncoding.EncodeToString(piece)+"\"}\n\n")
		} else {
			events = append(events, string(piece))
		}
	}
	if q.StreamFormat == "sse" {
		contentType = eventStream
		in, out := itoa(x.prompt), itoa(frames)
		events = append(events, `data: {"type":"speech.audio.done","usage":{"input_tokens":`+in+`,"output_tokens":`+out+
			`,"total_tokens":`+itoa(x.prompt+frames)+"}}\n\n")
	}
	return x.playEvents(events, contentType)
}

// silentMP3 returns frames of MPEG-1 layer III at 128 kbit/s and 44.1 kHz whose side information says nothing is to be
// heard. A frame is 417 bytes, 26 ms.
func silentMP3(frames int) []byte {
	frame := make([]byte, 417)
	copy(frame, []byte{0xff, 0xfb, 0x90, 0xc4})
	return bytes.Repeat(frame, frames)
}

// wavFrame is 20 ms of 16-bit mono at 24 kHz, in bytes.
const wavFrame = 24000 / 50 * 2

func silentWAV(frames int) []byte {
	size := frames * wavFrame
	b := append([]byte(nil), "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt "...)
	for _, field := range []struct {
		value uint32
		short bool
	}{{16, false}, {1, true}, {1, true}, {24000, false}, {48000, false}, {2, true}, {16, true}} {
		if field.short {
			b = binary.LittleEndian.AppendUint16(b, uint16(field.value))
		} else {
			b = binary.LittleEndian.AppendUint32(b, field.value)
		}
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	return append(b, make([]byte, size)...)
}

// answerTranscription answers POST /v1/audio/transcriptions and /v1/audio/translations with words that depend on the file.
func answerTranscription(x *exchange) outcome {
	q, fail := readFields(x)
	switch {
	case fail != nil:
		return x.fail(fail)
	case len(q.files) == 0:
		return x.fail(missing("file"))
	case q.get("model") == "":
		return x.fail(badRequest("", "", "you must provide a model parameter"))
	}
	n := x.knobs.tokens
	if n == unset {
		n = 12
	}
	pieces := text(mix(x.s.seed, x.knobs.seed, xxhash.Sum64(q.files[0])), n)
	words := strings.TrimSpace(strings.Join(pieces, ""))
	x.prompt = 1 + len(q.files[0])/1000
	if q.get("stream") == "true" {
		return x.streamTranscript(pieces, words)
	}
	x.sent = n
	out := appendString(append(x.buf[:0], `{"text":`...), words)
	switch format := q.get("response_format"); format {
	case "", "json":
		if x.knobs.usage != usageOff {
			out = append(out, `,"usage":`+x.transcriptUsage(n)...)
		}
		out = append(out, '}')
	case "verbose_json":
		out = appendString(append(out, `,"task":"transcribe","language":"english","duration":`+itoa(x.prompt)+`.0,"segments":[{"id":0,"seek":0,"start":0.0,"end":`+itoa(x.prompt)+`.0,"text":`...), words)
		out = append(out, `,"tokens":[],"temperature":0.0,"avg_logprob":-0.25,"compression_ratio":1.0,"no_speech_prob":0.0}],"usage":{"type":"duration","seconds":`+itoa(x.prompt)+`}}`...)
	case "text", "srt", "vtt":
		return x.playEvents([]string{transcriptText(format, words, x.prompt)}, "text/plain; charset=utf-8")
	default:
		return x.fail(badRequest("response_format", "invalid_value", "response_format '%s' is not compatible with this model. Use 'json' or 'text' instead.", format))
	}
	x.buf = out
	return x.reply(x.buf)
}

func transcriptText(format, words string, seconds int) string {
	end := strconv.Itoa(seconds % 60)
	switch format {
	case "srt":
		return "1\n00:00:00,000 --> 00:00:" + strings.Repeat("0", 2-len(end)) + end + ",000\n" + words + "\n\n"
	case "vtt":
		return "WEBVTT\n\n00:00:00.000 --> 00:00:" + strings.Repeat("0", 2-len(end)) + end + ".000\n" + words + "\n\n"
	}
	return words + "\n"
}

func (x *exchange) transcriptUsage(n int) string {
	in := itoa(x.prompt)
	return `{"type":"tokens","input_tokens":` + in + `,"input_token_details":{"text_tokens":0,"audio_tokens":` + in + `},"output_tokens":` +
		itoa(n) + `,"total_tokens":` + itoa(x.prompt+n) + `}`
}

func (x *exchange) streamTranscript(pieces []string, words string) outcome {
	events := make([]string, 0, len(pieces)+1)
	for i, piece := range pieces {
		if i == 0 {
			piece = strings.TrimPrefix(piece, " ")
		}
		events = append(events, "data: "+string(append(appendString([]byte(`{"type":"transcript.text.delta","delta":`), piece), "}\n\n"...)))
	}
	done := appendString([]byte(`data: {"type":"transcript.text.done","text":`), words)
	if x.knobs.usage != usageOff {
		done = append(done, `,"usage":`+x.transcriptUsage(len(pieces))...)
	}
	events = append(events, string(append(done, "}\n\n"...)), "data: [DONE]\n\n")
	return x.playEvents(events, eventStream)
}
