package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"
)

func (s *Server) routeResponses() {
	v := openAI{}
	s.mux.HandleFunc("POST /v1/responses", s.endpoint(v, answerResponses))
	s.mux.HandleFunc("POST /v1/responses/input_tokens", s.endpoint(v, answerResponsesCount))
	s.mux.HandleFunc("GET /v1/responses/{id}", s.endpoint(v, answerStored))
	s.mux.HandleFunc("DELETE /v1/responses/{id}", s.endpoint(v, answerStoredDelete))
}

// answerResponses answers POST /v1/responses.
func answerResponses(x *exchange) outcome {
	if x.benched() {
		return x.playBench(x.s.bench.responses, gjson.GetBytes(x.body, "stream").Bool(), true)
	}
	q, fail := readResponses(x, responsesFields)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	sc := x.s.write(q.ask(x.model, x.knobs.thinking), &x.knobs, x.number)
	defer sc.release()
	v := newResponsesVoice(x.s, sc, q)
	v.usage = x.knobs.usage != usageOff
	if q.stores() {
		v.store = func(whole []byte) { x.s.store.put(x.key, "resp_"+sc.id, whole, q.items) }
	}
	return x.play(sc, v, q.Stream)
}

// answerResponsesCount answers POST /v1/responses/input_tokens.
func answerResponsesCount(x *exchange) outcome {
	q, fail := readResponses(x, responsesCountFields)
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	for _, t := range q.ask(x.model, false).prompt {
		x.prompt += t.tokens
	}
	x.buf = strconv.AppendInt(append(x.buf[:0], `{"object":"response.input_tokens","input_tokens":`...), int64(x.prompt), 10)
	x.buf = append(x.buf, '}')
	return x.reply(x.buf)
}

// answerStored answers GET /v1/responses/{id}.
func answerStored(x *exchange) outcome {
	kept, ok := x.s.store.get(x.key, x.r.PathValue("id"))
	if !ok {
		x.vendor.fail(x.w, *responseNotFound(x.r.PathValue("id")))
		return failed
	}
	return x.reply(kept.body)
}

// answerStoredDelete answers DELETE /v1/responses/{id}.
func answerStoredDelete(x *exchange) outcome {
	id := x.r.PathValue("id")
	if !x.s.store.remove(x.key, id) {
		x.vendor.fail(x.w, *responseNotFound(id))
		return failed
	}
	x.buf = appendString(append(x.buf[:0], `{"id":`...), id)
	x.buf = append(x.buf, `,"object":"response","deleted":true}`...)
	return x.reply(x.buf)
}

func responseNotFound(id string) *failure {
	return &failure{status: http.StatusNotFound, kind: "invalid_request_error", message: "Response with id '" + id + "' not found."}
}

// outputItems returns the items of a rendered response.
func outputItems(body []byte) []json.RawMessage {
	var items []json.RawMessage
	for _, item := range gjson.GetBytes(body, "output").Array() {
		items = append(items, json.RawMessage(item.Raw))
	}
	return items
}
