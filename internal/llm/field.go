package llm

import (
	"slices"
	"strings"
)

// A Field names a part of a Request that a dialect may be unable to take. Codecs report these; the caller's codec says
// what the part is called there. Names of Extra are the caller's own already.
type Field string

const (
	FieldName         Field = "message.name"
	FieldImage        Field = "image"
	FieldImageURL     Field = "image.url"
	FieldDetail       Field = "image.detail"
	FieldAudio        Field = "audio"
	FieldVideo        Field = "video"
	FieldDocument     Field = "document"
	FieldFile         Field = "file"          // a file known to another vendor
	FieldFileName     Field = "file.name"     // of what is attached
	FieldAudioFormat  Field = "audio.format"  // of spoken answers
	FieldResultMedia  Field = "result.media"  // media within a tool's result
	FieldThinking     Field = "thinking"      // thinking of earlier turns that another vendor signed
	FieldCitations    Field = "citations"     // of earlier answers
	FieldCite         Field = "document.cite" // that answers cite it
	FieldCache        Field = "cache"
	FieldStrict       Field = "tool.strict"
	FieldSchema       Field = "tool.schema"  // or a part of it
	FieldVendorTool   Field = "tool.vendor"  // followed by ":" and the tool's type
	FieldVendorBlock  Field = "block.vendor" // followed by ":" and the block's type
	FieldCustomTool   Field = "tool.custom"
	FieldChoice       Field = "tool.choice"
	FieldParallel     Field = "tool.parallel"
	FieldFormat       Field = "format"
	FieldN            Field = "n"
	FieldStop         Field = "stop"
	FieldTemperature  Field = "temperature"
	FieldTopP         Field = "top_p"
	FieldTopK         Field = "top_k"
	FieldMinP         Field = "min_p"
	FieldFrequency    Field = "frequency"
	FieldPresence     Field = "presence"
	FieldRepetition   Field = "repetition"
	FieldSeed         Field = "seed"
	FieldLogitBias    Field = "logit_bias"
	FieldLogprobs     Field = "logprobs"
	FieldReasoning    Field = "reasoning"
	FieldSummary      Field = "reasoning.summary"
	FieldVerbosity    Field = "verbosity"
	FieldModalities   Field = "modalities"
	FieldServiceTier  Field = "service_tier"
	FieldUser         Field = "user"
	FieldSafetyID     Field = "safety_identifier"
	FieldMetadata     Field = "metadata"
	FieldCacheKey     Field = "cache_key"
	FieldCacheFor     Field = "cache_for"
	FieldPrediction   Field = "prediction"
	FieldPrevious     Field = "previous"
	FieldStore        Field = "store"
	FieldTruncation   Field = "truncation"
	FieldInclude      Field = "include"
	FieldSafety       Field = "safety"
	FieldContextEdits Field = "context_edits"
	FieldDimensions   Field = "dimensions"     // of embeddings
	FieldResponseURL  Field = "response.url"   // pictures by address
	FieldSize         Field = "image.size"     // of pictures that are made, as are the next four
	FieldQuality      Field = "image.quality"  //
	FieldOutputFormat Field = "image.format"   //
	FieldCompression  Field = "image.compress" //
	FieldBackground   Field = "image.background"
	FieldMask         Field = "image.mask"
	FieldStream       Field = "stream"
	FieldExtra        Field = "extra" // followed by ":" and its path in the caller's dialect
)

// With is the field with what it is followed by: FieldVendorTool.With("web_search").
func (f Field) With(detail string) Field { return f + ":" + Field(detail) }

// Split undoes With.
func (f Field) Split() (Field, string) {
	name, detail, _ := strings.Cut(string(f), ":")
	return Field(name), detail
}

// FieldNames are what callers of a dialect call fields.
type FieldNames map[Field]string

// Of is the name of a field: what is not named keeps its neutral name. What With added stands behind it, and an extra field
// has its own name.
func (n FieldNames) Of(f Field) string {
	field, detail := f.Split()
	if field == FieldExtra {
		return detail
	}
	name, ok := n[field]
	if !ok {
		name = string(field)
	}
	if detail != "" {
		name += "." + detail
	}
	return name
}

// Drops collects what an encoder left out, each field once, in the order of first mention. The zero value is ready.
type Drops struct {
	fields []Field
	known  map[Field]bool // the same, once there are many
}

// fewDrops is how many fields are looked through one by one.
const fewDrops = 16

// Add notes a field.
func (d *Drops) Add(f Field) {
	if d.knows(f) {
		return
	}
	d.fields = append(d.fields, f)
	if d.known != nil {
		d.known[f] = true
	}
}

func (d *Drops) knows(f Field) bool {
	if len(d.fields) < fewDrops {
		return slices.Contains(d.fields, f)
	}
	if d.known == nil {
		d.known = make(map[Field]bool, 2*fewDrops)
		for _, other := range d.fields {
			d.known[other] = true
		}
	}
	return d.known[f]
}

// If notes a field where the caller said something in it.
func (d *Drops) If(said bool, f Field) {
	if said {
		d.Add(f)
	}
}

// Extra notes what is in a request's Extra, in alphabetical order.
func (d *Drops) Extra(r *Request) {
	names := make([]string, 0, len(r.Extra))
	for name := range r.Extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d.Add(FieldExtra.With(name))
	}
}

// Fields are those that were noted.
func (d *Drops) Fields() []Field { return d.fields }
