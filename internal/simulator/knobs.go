package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxTokens  = 1_000_000
	maxPad     = 64 << 20
	maxWait    = time.Hour
	unset      = -1
	statusDrop = 1 // error=drop: no answer at all
)

// usageMode says when an answer reports its usage.
type usageMode uint8

const (
	usageOn   usageMode = iota // as OpenAI: always, but in a stream only when asked, in an extra chunk
	usageOff                   // never
	usageLast                  // in a stream unasked, on the finish chunk
)

// signatureMode says whether the signatures of thinking that comes back are looked at.
type signatureMode uint8

const (
	signaturesAuto   signatureMode = iota // as the vendor does
	signaturesStrict                      // where the vendor does not, too
	signaturesOff                         // never
)

// lineEnd is how the lines of a stream end.
type lineEnd uint8

const (
	lineEndAuto lineEnd = iota // as the vendor has it
	lineEndCRLF
	lineEndLF
)

// knobs steer one answer. The package comment explains them.
type knobs struct {
	latency, ttft time.Duration
	tps           float64
	tokens        int
	reasoning     int
	thinking      bool
	preamble      int
	tools, turns  int
	usage         usageMode
	cache         bool
	finish        *finish

	refusal, citations, unsigned, redacted bool
	strict                                 bool
	signatures                             signatureMode

	status     int
	errorRate  float64
	errorCode  string
	retryAfter time.Duration

	cut, stall, streamError, malformed int

	split, comments, pad int
	crlf                 lineEnd
	seed                 uint64
}

func defaultKnobs() knobs {
	return knobs{tokens: unset, tools: unset, turns: unset, errorRate: 1, cut: unset, stall: unset, streamError: unset, malformed: unset}
}

// setters maps the name of a knob to what reads its value.
var setters = map[string]func(*knobs, string) error{
	"latency":      func(k *knobs, v string) error { return duration(&k.latency, v) },
	"ttft":         func(k *knobs, v string) error { return duration(&k.ttft, v) },
	"tps":          func(k *knobs, v string) error { return float(&k.tps, v, 1e6) },
	"tokens":       func(k *knobs, v string) error { return count(&k.tokens, v, maxTokens) },
	"reasoning":    func(k *knobs, v string) error { return count(&k.reasoning, v, maxTokens) },
	"thinking":     func(k *knobs, v string) error { return toggle(&k.thinking, v) },
	"tools":        func(k *knobs, v string) error { return count(&k.tools, v, 128) },
	"turns":        func(k *knobs, v string) error { return count(&k.turns, v, 128) },
	"preamble":     func(k *knobs, v string) error { return count(&k.preamble, v, maxTokens) },
	"finish":       setFinish,
	"refusal":      func(k *knobs, v string) error { return toggle(&k.refusal, v) },
	"citations":    func(k *knobs, v string) error { return toggle(&k.citations, v) },
	"unsigned":     func(k *knobs, v string) error { return toggle(&k.unsigned, v) },
	"redacted":     func(k *knobs, v string) error { return toggle(&k.redacted, v) },
	"strict":       func(k *knobs, v string) error { return toggle(&k.strict, v) },
	"signatures":   setSignatures,
	"usage":        setUsage,
	"cache":        func(k *knobs, v string) error { return toggle(&k.cache, v) },
	"error":        setError,
	"error_rate":   func(k *knobs, v string) error { return float(&k.errorRate, v, 1) },
	"error_code":   func(k *knobs, v string) error { k.errorCode = v; return nil },
	"retry_after":  setRetryAfter,
	"cut":          func(k *knobs, v string) error { return count(&k.cut, v, maxTokens) },
	"stall":        func(k *knobs, v string) error { return count(&k.stall, v, maxTokens) },
	"stream_error": func(k *knobs, v string) error { return count(&k.streamError, v, maxTokens) },
	"malformed":    func(k *knobs, v string) error { return count(&k.malformed, v, maxTokens) },
	"split":        func(k *knobs, v string) error { return count(&k.split, v, 1<<20) },
	"comments":     func(k *knobs, v string) error { return count(&k.comments, v, 1000) },
	"crlf":         setLineEnd,
	"pad":          func(k *knobs, v string) error { return count(&k.pad, v, maxPad) },
	"seed":         setSeed,
}

// presets are models whose names stand for knobs.
var presets = map[string]string{
	"sim-slow":     "ttft=500ms&tps=20",
	"sim-flaky":    "error=503&error_rate=0.3&retry_after=1",
	"sim-thinking": "reasoning=64&thinking=on",
}

// headers are the names under which the knobs come as headers, in canonical form.
var headers = func() map[string]string {
	m := make(map[string]string, len(setters))
	for name := range setters {
		m[http.CanonicalHeaderKey("x-sim-"+strings.ReplaceAll(name, "_", "-"))] = name
	}
	return m
}()

// splitModel parts a model name into the model and its knobs. Names that are not the simulator's own are opaque.
func splitModel(name string) (model, spec string) {
	model, spec, ok := strings.Cut(name, "?")
	if !ok || !strings.HasPrefix(model, "sim") {
		return name, ""
	}
	return model, spec
}

// apply sets the knobs of a specification like "error=503&retry_after=1".
func (k *knobs) apply(spec string) error {
	if spec == "" {
		return nil
	}
	values, err := url.ParseQuery(spec)
	if err != nil {
		return fmt.Errorf("knobs %q: %w", spec, err)
	}
	for _, name := range sortedKeys(values) {
		if len(values[name]) > 1 {
			return fmt.Errorf("knob %q is given twice", name)
		}
		if err := k.set(name, values[name][0]); err != nil {
			return err
		}
	}
	return nil
}

func (k *knobs) applyHeader(h http.Header) error {
	for _, header := range sortedKeys(h) {
		if name, ok := headers[header]; ok {
			if err := k.set(name, h.Get(header)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *knobs) set(name, value string) error {
	setter, ok := setters[name]
	if !ok {
		return fmt.Errorf("unknown knob %q", name)
	}
	if err := setter(k, value); err != nil {
		return fmt.Errorf("knob %s=%q: %w", name, value, err)
	}
	return nil
}

// applyKey sets the error that a key asks for by a status between dashes.
func (k *knobs) applyKey(key string) {
	parts := strings.Split(key, "-")
	for i := 1; i < len(parts)-1; i++ {
		if status, err := strconv.Atoi(parts[i]); err == nil && len(parts[i]) == 3 && status >= 400 && status <= 599 {
			k.status = status
		}
	}
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for name := range m {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys
}

func duration(dst *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxWait {
		return fmt.Errorf("want a duration up to %s like 50ms", maxWait)
	}
	*dst = d
	return nil
}

func float(dst *float64, v string, limit float64) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f <= limit) {
		return fmt.Errorf("want a number from 0 to %g", limit)
	}
	*dst = f
	return nil
}

func count(dst *int, v string, limit int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > limit {
		return fmt.Errorf("want an integer from 0 to %d", limit)
	}
	*dst = n
	return nil
}

func toggle(dst *bool, v string) error {
	switch v {
	case "on":
		*dst = true
	case "off":
		*dst = false
	default:
		return errors.New("want on or off")
	}
	return nil
}

func setUsage(k *knobs, v string) error {
	switch v {
	case "on":
		k.usage = usageOn
	case "off":
		k.usage = usageOff
	case "last":
		k.usage = usageLast
	default:
		return errors.New("want on, off or last")
	}
	return nil
}

// finishes are the words for how an answer ends.
var finishes = map[string]finish{
	"stop": finishStop, "length": finishLength, "tools": finishTools, "filter": finishFilter,
	"sequence": finishSequence, "pause": finishPause, "refusal": finishRefusal,
}

func setFinish(k *knobs, v string) error {
	f, ok := finishes[v]
	if !ok {
		return errors.New("want stop, length, tools, filter, sequence, pause or refusal")
	}
	k.finish = &f
	return nil
}

func setSignatures(k *knobs, v string) error {
	switch v {
	case "strict":
		k.signatures = signaturesStrict
	case "off":
		k.signatures = signaturesOff
	default:
		return errors.New("want strict or off")
	}
	return nil
}

func setLineEnd(k *knobs, v string) error {
	var on bool
	if err := toggle(&on, v); err != nil {
		return err
	}
	k.crlf = lineEndLF
	if on {
		k.crlf = lineEndCRLF
	}
	return nil
}

func setError(k *knobs, v string) error {
	if v == "drop" {
		k.status = statusDrop
		return nil
	}
	status, err := strconv.Atoi(v)
	if err != nil || status < 400 || status > 599 {
		return errors.New("want a status from 400 to 599, or drop")
	}
	k.status = status
	return nil
}

func setRetryAfter(k *knobs, v string) error {
	n := 0
	if err := count(&n, v, 86_400); err != nil {
		return err
	}
	k.retryAfter = time.Duration(n) * time.Second
	return nil
}

func setSeed(k *knobs, v string) error {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return errors.New("want an unsigned integer")
	}
	k.seed = n
	return nil
}
