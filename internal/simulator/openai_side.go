package simulator

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// routeSide adds OpenAI's endpoints beside chat, responses and embeddings.
func (s *Server) routeSide() {
	v := openAI{}
	for path, answer := range map[string]func(*exchange) outcome{
		"/v1/completions":          answerCompletions,
		"/v1/moderations":          answerModerations,
		"/v1/images/generations":   answerImages,
		"/v1/images/edits":         answerImages,
		"/v1/audio/speech":         answerSpeech,
		"/v1/audio/transcriptions": answerTranscription,
		"/v1/audio/translations":   answerTranscription,
		"/v1/rerank":               answerRerank,
	} {
		s.mux.HandleFunc("POST "+path, s.endpoint(v, answer))
	}
}

// fail answers with a refusal.
func (x *exchange) fail(f *failure) outcome {
	x.vendor.fail(x.w, *f)
	return failed
}

func missing(param string) *failure {
	return badRequest(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

// answerCompletions answers POST /v1/completions.
func answerCompletions(x *exchange) outcome {
	var q struct {
		Model         string          `json:"model"`
		Prompt        json.RawMessage `json:"prompt"`
		Stream        bool            `json:"stream"`
		StreamOptions *streamOptions  `json:"stream_options"`
		MaxTokens     *int            `json:"max_tokens"`
		N             *int            `json:"n"`
		Echo          bool            `json:"echo"`
		Stop          json.RawMessage `json:"stop"`
		Seed          int64           `json:"seed"`
	}
	if fail := decode(x.body, &q); fail != nil {
		return x.fail(fail)
	}
	if q.Model == "" {
		return x.fail(badRequest("", "", "you must provide a model parameter"))
	}
	prompt := gjson.ParseBytes(q.Prompt)
	a := &ask{model: x.model, choices: 1, limit: 16, seed: uint64(q.Seed), stops: stopsOf(q.Stop)}
	if q.MaxTokens != nil {
		a.limit = *q.MaxTokens
	}
	if q.N != nil {
		a.choices = *q.N
	}
	if a.limit < 1 || a.choices < 1 || a.choices > 128 {
		return x.fail(badRequest("", "integer_below_min_value", "'max_tokens' and 'n' must be at least 1."))
	}
	words := prompt.String()
	if prompt.IsArray() && len(prompt.Array()) == 1 {
		words = prompt.Get("0").String()
	}
	a.talk.user(words)
	a.prompt = []turn{{tokens: inputTokens(prompt), digest: xxhash.Sum64(q.Prompt)}}
	sc := x.s.write(a, &x.knobs, x.number)
	defer sc.release()
	v := &completionVoice{sc: sc, usage: x.knobs.usage != usageOff}
	v.ask = q.StreamOptions != nil && q.StreamOptions.IncludeUsage && v.usage
	if q.Echo {
		v.echo = words
	}
	return x.play(sc, v, q.Stream)
}

// completionVoice renders scripts as legacy text completions.
type completionVoice struct {
	sc         *script
	usage, ask bool
	echo       string // repeated before the text
}

func (v *completionVoice) appendHead(dst []byte) []byte {
	dst = append(dst, `{"id":"cmpl-`...)
	dst = append(dst, v.sc.id...)
	dst = strconv.AppendInt(append(dst, `","object":"text_completion","created":`...), v.sc.created.Unix(), 10)
	dst = appendString(append(dst, `,"model":`...), v.sc.model)
	return append(dst, `,"choices":[`...)
}

func appendCompletion(dst []byte, choice uint16, text, finish string) []byte {
	dst = appendString(append(dst, `{"text":`...), text)
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(choice), 10)
	dst = appendStringOrNull(append(dst, `,"logprobs":null,"finish_reason":`...), finish)
	return append(dst, '}')
}

func (v *completionVoice) event(dst []byte, e event) []byte {
	text, finish := e.text, ""
	switch e.kind {
	case kindStart:
		if v.echo == "" {
			return dst
		}
		text = v.echo
	case kindFinish:
		finish = chatFinish(e.finish)
	default:
	}
	dst = v.appendHead(append(dst, "data: "...))
	return append(appendCompletion(dst, e.choice, text, finish), "]}\n\n"...)
}

func (v *completionVoice) end(dst []byte) []byte {
	if v.ask {
		dst = v.appendHead(append(dst, "data: "...))
		dst = v.appendUsage(append(dst, ']'))
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (v *completionVoice) failure(dst []byte) []byte { return (&chatVoice{}).failure(dst) }

func (v *completionVoice) body(dst []byte) []byte {
	dst = v.appendHead(dst)
	for c := range v.sc.choices {
		if c > 0 {
			dst = append(dst, ',')
		}
		f := v.sc.fold(uint16(c))
		dst = appendCompletion(dst, uint16(c), v.echo+f.text+f.refusal, chatFinish(f.end))
	}
	dst = append(dst, ']')
	if v.usage {
		dst = v.appendUsage(dst)
	}
	return append(dst, '}')
}

func (v *completionVoice) appendUsage(dst []byte) []byte {
	u := v.sc.usage
	return append(dst, `,"usage":{"prompt_tokens":`+itoa(u.prompt)+`,"completion_tokens":`+itoa(u.completion)+
		`,"total_tokens":`+itoa(u.prompt+u.completion)+`}`...)
}

// stopsOf reads stop sequences: one text or a list.
func stopsOf(raw json.RawMessage) (stops []string) {
	switch stop := gjson.ParseBytes(raw); {
	case stop.Type == gjson.String:
		return []string{stop.Str}
	case stop.IsArray():
		for _, each := range stop.Array() {
			stops = append(stops, each.String())
		}
	}
	return stops
}

// moderationCategories are those of omni-moderation.
var moderationCategories = strings.Fields(`harassment harassment/threatening sexual hate hate/threatening illicit illicit/violent
	self-harm/intent self-harm/instructions self-harm sexual/minors violence violence/graphic`)

// answerModerations answers POST /v1/moderations. What has the word "violence" in it is flagged for that.
func answerModerations(x *exchange) outcome {
	if fail := decode(x.body, &struct{}{}); fail != nil {
		return x.fail(fail)
	}
	input := gjson.GetBytes(x.body, "input")
	inputs := []gjson.Result{input}
	if input.IsArray() && !input.Get("0").IsObject() {
		inputs = input.Array()
	}
	if !input.Exists() || len(inputs) == 0 {
		return x.fail(missing("input"))
	}
	b := append(x.buf[:0], `{"id":"modr-`+identifier(mix(x.s.seed, 10, x.number))+`","model":`...)
	b = append(appendString(b, x.model), `,"results":[`...)
	for i, in := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		x.prompt += tokensOf(len(in.Raw))
		b = appendModeration(b, in)
	}
	x.buf = append(b, "]}"...)
	return x.reply(x.buf)
}

func appendModeration(dst []byte, in gjson.Result) []byte {
	flagged := strings.Contains(strings.ToLower(in.Raw), "violence")
	applied := `["text"]`
	if in.IsArray() && in.Get("0.type").String() == "image_url" {
		applied = `["image"]`
	}
	dst = strconv.AppendBool(append(dst, `{"flagged":`...), flagged)
	for _, part := range []struct {
		name  string
		value func(hit bool) string
	}{
		{"categories", strconv.FormatBool},
		{"category_scores", func(hit bool) string {
			if hit {
				return "0.9375"
			}
			return "0.00048828125"
		}},
		{"category_applied_input_types", func(bool) string { return applied }},
	} {
		dst = append(dst, `,"`+part.name+`":{`...)
		for i, name := range moderationCategories {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `"`+name+`":`+part.value(flagged && name == "violence")...)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// answerRerank answers POST /v1/rerank in the form that Cohere and Jina share: documents that have more words of the query
// come first.
func answerRerank(x *exchange) outcome {
	var q struct {
		Query           string            `json:"query"`
		Documents       []json.RawMessage `json:"documents"`
		TopN            *int              `json:"top_n"`
		ReturnDocuments bool              `json:"return_documents"`
	}
	if fail := decode(x.body, &q); fail != nil {
		return x.fail(fail)
	}
	switch {
	case q.Query == "":
		return x.fail(missing("query"))
	case len(q.Documents) == 0:
		return x.fail(missing("documents"))
	}
	ranked := rank(q.Query, q.Documents)
	if q.TopN != nil && *q.TopN >= 0 {
		ranked = ranked[:min(*q.TopN, len(ranked))]
	}
	x.prompt = tokensOf(len(q.Query))
	for _, d := range q.Documents {
		x.prompt += tokensOf(len(d))
	}
	b := append(x.buf[:0], `{"id":"`+identifier(mix(x.s.seed, 11, x.number))+`","object":"list","model":`...)
	b = append(appendString(b, x.model), `,"results":[`...)
	for i, r := range ranked {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`+itoa(r.index)+`,"relevance_score":`...)
		b = strconv.AppendFloat(b, r.score, 'g', -1, 64)
		if q.ReturnDocuments {
			b = appendString(append(b, `,"document":{"text":`...), documentText(q.Documents[r.index]))
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	x.buf = append(b, `],"usage":{"total_tokens":`+itoa(x.prompt)+`,"prompt_tokens":`+itoa(x.prompt)+`},"meta":{"billed_units":{"search_units":1}}}`...)
	return x.reply(x.buf)
}

func documentText(raw json.RawMessage) string {
	d := gjson.ParseBytes(raw)
	if d.IsObject() {
		return d.Get("text").String()
	}
	return d.String()
}

// answerImages answers POST /v1/images/generations and /v1/images/edits, the latter in JSON or as a form.
func answerImages(x *exchange) outcome {
	q, fail := readFields(x)
	if fail != nil {
		return x.fail(fail)
	}
	edit := strings.HasSuffix(x.r.URL.Path, "/edits")
	n, _ := strconv.Atoi(q.get("n"))
	switch {
	case q.get("prompt") == "":
		return x.fail(missing("prompt"))
	case edit && len(q.files) == 0 && !gjson.GetBytes(x.body, "images.0").Exists():
		return x.fail(missing("image"))
	case n < 0 || n > 10:
		return x.fail(badRequest("n", "integer_above_max_value", "Invalid 'n': integer out of range. Expected a value from 1 to 10, but got %d instead.", n))
	}
	x.prompt = tokensOf(len(q.get("prompt")))
	seed := mix(x.s.seed, x.knobs.seed, xxhash.Sum64String(q.get("prompt")))
	if q.get("stream") == "true" {
		partial, _ := strconv.Atoi(q.get("partial_images"))
		return x.streamImage(seed, min(max(partial, 0), 3), edit)
	}
	b := append(x.buf[:0], `{"created":`+strconv.FormatInt(x.s.now().Unix(), 10)...)
	b = append(b, `,"background":"opaque","output_format":"png","quality":"low","size":"1024x1024","data":[`...)
	for i := range max(n, 1) {
		if i > 0 {
			b = append(b, ',')
		}
		if q.get("response_format") == "url" {
			b = append(b, `{"url":"https://example.com/picture-`+itoa(i)+`.png"}`...)
			continue
		}
		b = append(b, `{"b64_json":"`...)
		b = base64.StdEncoding.AppendEncode(b, picture(mix(seed, uint64(i))))
		b = append(b, `"}`...)
	}
	b = append(b, ']')
	if x.knobs.usage != usageOff {
		b = append(b, `,"usage":`+x.imageUsage(max(n, 1))...)
	}
	x.buf = append(b, '}')
	if !x.wait(x.knobs.ttft) {
		return cancelled
	}
	return x.reply(x.buf)
}

// imageTokens is what a picture costs: that of a small one of low quality in OpenAI's price list.
const imageTokens = 272

func (x *exchange) imageUsage(n int) string {
	in, out := itoa(x.prompt), itoa(n*imageTokens)
	return `{"input_tokens":` + in + `,"input_tokens_details":{"image_tokens":0,"text_tokens":` + in + `},"output_tokens":` + out +
		`,"total_tokens":` + itoa(x.prompt+n*imageTokens) + `}`
}

// streamImage streams one picture with those on the way to it.
func (x *exchange) streamImage(seed uint64, partial int, edit bool) outcome {
	name := "image_generation."
	if edit {
		name = "image_edit."
	}
	var events []string
	for i := range partial + 1 {
		kind, more := name+"partial_image", `,"partial_image_index":`+itoa(i)
		if i == partial {
			kind, more = name+"completed", `,"usage":`+x.imageUsage(1)
		}
		events = append(events, "event: "+kind+"\ndata: "+`{"type":"`+kind+`","created_at":`+strconv.FormatInt(x.s.now().Unix(), 10)+
			`,"size":"1024x1024","quality":"low","background":"opaque","output_format":"png","b64_json":"`+
			base64.StdEncoding.EncodeToString(picture(mix(seed, uint64(i))))+`"`+more+"}\n\n")
	}
	return x.playEvents(events, eventStream)
}
