package proxy

import (
	"net/http"

	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/tokens"
)

// A reading is what the gateway notices of an answer that passes by.
type reading struct {
	response *openai.Response
	text     tokens.Text // what was generated, should no usage come
	accepted bool        // the vendor began an answer
	finished bool        // a choice came to its end
}

// begin forgets the attempt before.
func (r *reading) begin() {
	r.text.Reset()
	r.accepted, r.finished = false, false
	r.response = openai.NewResponse(r.collect)
}

func (r *reading) collect(part []byte) { _, _ = r.text.Write(part) }

// close gives the memory back.
func (r *reading) close() { r.text.Reset() }

// reported is the usage that the vendor told, as far as it can be believed.
func (r *reading) reported() (llm.Usage, bool) {
	if r.response == nil {
		return llm.Usage{}, false
	}
	return r.response.Usage()
}

// status is that of the present attempt for its log entry.
func (r *reading) status() int {
	if r.accepted {
		return http.StatusOK
	}
	return 0
}
