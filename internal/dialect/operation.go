package dialect

import "aihigress/internal/llm"

// An Operation is what a vendor's API does beside generation, in one dialect: embeddings, pictures, counts of tokens. Req
// and Resp are its neutral forms. Like a Dialect it has no state, and a call whose caller and upstream speak the same
// dialect passes through by Scan and Watch alone.
type Operation[Req, Resp any] interface {
	// Scan reads a request in one pass without decoding it. The error is an *llm.RequestError.
	Scan(body []byte, at At) (Scanned, error)
	// Watch reads one answer as it passes.
	Watch() Watch

	// Decode reads a caller's request. The error is an *llm.RequestError.
	Decode(body []byte, at At) (*Req, error)
	// Encode writes a request for an upstream, and tells what of it the dialect cannot take. The error is an
	// *llm.RequestError whose Param is an llm.Field.
	Encode(r *Req, t Target) (body []byte, dropped []llm.Field, err error)
	// DecodeResponse reads an upstream's whole answer to a request that was written for the target. The error wraps
	// ErrMalformed, or is an *llm.Error where the answer is one.
	DecodeResponse(body []byte, t Target) (*Resp, error)
	// EncodeResponse writes a whole answer for a caller, who asked with the request.
	EncodeResponse(r *Resp, to *Req) []byte
	// FieldName is what a caller of the dialect calls a field.
	FieldName(f llm.Field) string
}

// Operations that more than one dialect has.
type (
	Embedder = Operation[llm.EmbedRequest, llm.EmbedResponse]
	Imager   = Operation[llm.ImageRequest, llm.ImageResponse]
)
