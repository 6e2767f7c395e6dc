package llm

// Kind says what a block is.
type Kind uint8

const (
	Text       Kind = iota + 1
	Thinking        // reasoning that the caller may see, or only its sealed state
	ToolCall        // the model calls a function of the caller's
	ToolResult      // what the caller's function returned
	Media           // a picture, sound, film or document
	Refusal         // the model says in words that it will not
	Opaque          // something of one vendor's only, such as a search that the vendor ran itself
)

// A Block is one piece of what somebody said. Only the fields of its kind are set. Blocks are copied freely: what their
// pointers lead to is shared, and who changes it makes a copy of that first.
type Block struct {
	Kind Kind

	// Text is that of Text, Thinking and Refusal. For Thinking it may be empty: the vendor shows nothing, or it is redacted.
	Text      string
	Citations []Citation // of Text

	// State is what the vendor wants back, unchanged, on the next turn: of Thinking always where there is one; of ToolCall
	// where the vendor signs the call itself (Gemini).
	State State

	Call   Call        // of ToolCall
	Result *Result     // of ToolResult
	Media  *Attachment // of Media

	Vendor string // of Opaque: the dialect whose block it is
	Type   string // of Opaque: its type there, for x-aihigress-dropped
	Raw    JSON   // of Opaque: the block, as it stands in that dialect
	// Other kinds may have Vendor and Raw as well, for Vendor's codec alone: with a Type Raw is the whole block, which says
	// more than the fields here do; without one it is an object of members that come beside them.

	// Cache asks for a cache breakpoint behind this block.
	Cache *Cache
}

// Content is what is in a ToolResult; other kinds have nothing in them.
func (b *Block) Content() []Block {
	if b.Result == nil {
		return nil
	}
	return b.Result.Content
}

// Data is the content of a Media, where it holds it; other kinds have none.
func (b *Block) Data() string {
	if b.Media == nil {
		return ""
	}
	return b.Media.Data
}

// A State is what only the vendor that made it can read. The zero State is none.
type State struct {
	Origin   string // dialect that made it
	ID       string // the item's id there, where it has one (Responses: rs_…)
	Data     string // signature, encrypted_content or thoughtSignature, as it came
	Redacted bool   // Data is the thinking itself, sealed (Anthropic redacted_thinking)
}

// IsZero reports whether there is none.
func (s State) IsZero() bool { return s == State{} }

// A Call is a call of a tool.
type Call struct {
	ID    string // pairs the call with its result; made up where the vendor gives none
	Name  string
	Input string // arguments: JSON text of an object, or free text if Custom; "" is the empty object
	// Custom says that the tool takes free text and not JSON (OpenAI's custom tools).
	Custom bool
}

// A Result is what a tool returned.
type Result struct {
	CallID  string
	Name    string  // of the tool, where known: Gemini pairs by name
	Content []Block // Text, Media, and Opaque
	IsError bool
	Custom  bool // answers a Custom call
}

// MediaKind tells attachments apart.
type MediaKind uint8

const (
	Image MediaKind = iota + 1
	Audio
	Video
	Document
)

// Field is what an attachment of the kind is reported as where it has to be left out.
func (k MediaKind) Field() Field {
	switch k {
	case Image:
		return FieldImage
	case Audio:
		return FieldAudio
	case Video:
		return FieldVideo
	case Document:
	}
	return FieldDocument
}

// An Attachment is a file within a message: by address, by content, or by the id under which the vendor keeps it.
type Attachment struct {
	Kind     MediaKind
	MIMEType string // may be unknown for an address
	URL      string // http, https or gs
	Data     string // base64, standard alphabet, padded
	FileID   string // known to one vendor only
	Origin   string // dialect of FileID
	Name     string // file name or title
	Text     string // a plain text document, not encoded
	Detail   string // low, high, auto or original: OpenAI's word for how closely to look; others drop it
	Context  string // of a Document: what Anthropic's documents say about themselves
	Cite     bool   // of a Document: citations are wanted
}

// Address is where an attachment is: its URL, or a data URL with all of it, of another type where its own is not known.
func (a *Attachment) Address(otherwise string) string {
	switch {
	case a.Data == "":
		return a.URL
	case a.MIMEType != "":
		otherwise = a.MIMEType
	}
	return "data:" + otherwise + ";base64," + a.Data
}

// A Citation says what a text rests on. Offsets are in Unicode characters of the block's text; End 0 is unknown.
type Citation struct {
	Start, End int
	URL, Title string
	Cited      string // the passage quoted
	FileID     string
	Document   int // index of the document among the request's, where URL is empty
	Vendor     string
	Raw        JSON // as it stands in Vendor's dialect, for that dialect alone
}

// A Cache is a cache marker.
type Cache struct {
	TTL string // "5m", "1h"; "" is the vendor's default
}
