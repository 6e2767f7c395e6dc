package llm

// An EmbedRequest asks for the vectors of texts.
type EmbedRequest struct {
	Model      string   // as the caller named it
	Inputs     []string // one vector for each
	Dimensions int64    // of a vector; 0 is unsaid
	Base64     bool     // the caller wants vectors packed: little-endian float32 in base64
	Single     bool     // asked in the form that has one vector for an answer (Gemini embedContent)
	User       string   // the end user, for the vendor's abuse checks

	// Extra are the fields that only the caller's dialect has, by their path there.
	Extra map[string]JSON
}

// An EmbedResponse has the vectors, in the order of the inputs.
type EmbedResponse struct {
	Model   string      // as the upstream names it; may be empty
	Vectors [][]float32 // no vendor's are more precise
	Usage   Usage
	// HasUsage says that Usage is the vendor's.
	HasUsage bool
}
