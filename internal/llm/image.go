package llm

// An ImageRequest asks for pictures: new ones, or given ones changed.
type ImageRequest struct {
	Model  string // as the caller named it
	Prompt string
	Images []Attachment // those to change or to draw from
	Mask   *Attachment  // where the first of them may be changed
	N      int64        // pictures wanted; 0 is unsaid
	Width  int64        // pixels; 0 is unsaid or left to the model
	Height int64        // pixels; 0 is unsaid or left to the model
	Stream bool
	// URL says that the caller wants addresses and not the pictures themselves.
	URL         bool
	Quality     string // low, medium, high, and words of older models
	Format      string // png, jpeg, webp; "" is unsaid
	Compression *int64 // percent, of jpeg and webp
	Background  string // transparent, opaque
	User        string // the end user, for the vendor's abuse checks

	// Extra are the fields that only the caller's dialect has, by their path there.
	Extra map[string]JSON
}

// An ImageResponse has the pictures.
type ImageResponse struct {
	Created int64        // Unix seconds; 0 is unknown
	Images  []Attachment // with Data or URL
	Prompts []string     // as the vendor rewrote them, by the index of the picture; may be shorter
	Usage   Usage
	// HasUsage says that Usage is the vendor's.
	HasUsage bool
	// Filter is set where the vendor refused: its word for why. There are no pictures then.
	Filter string
}

// PictureTokens is what a picture that was made counts for where its vendor told nothing: what Google bills for one of up to
// 1024 by 1024 pixels (ai.google.dev, "Gemini API pricing").
const PictureTokens = 1290
