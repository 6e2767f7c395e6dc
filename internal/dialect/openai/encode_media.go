package openai

import (
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// media writes an attachment.
func (e *requestEncoder) media(a *llm.Attachment) (part, bool) {
	if a.FileID != "" {
		if ours(a.Origin) && a.Kind == llm.Document { // Responses takes pictures by id, and chat files alone
			return part{Type: "file", File: &file{FileID: a.FileID}}, true
		}
		e.drops.Add(llm.FieldFile)
		return part{}, false
	}
	switch a.Kind {
	case llm.Image:
		if address := a.Address("image/png"); address != "" {
			return part{Type: "image_url", ImageURL: &addressed{URL: address, Detail: detail(a.Detail)}}, true
		}
	case llm.Video:
		if address := a.Address("video/mp4"); address != "" && e.vendor.takes(llm.FieldVideo) {
			return part{Type: "video_url", VideoURL: &addressed{URL: address}}, true
		}
	case llm.Audio:
		format := soundFormat(a.MIMEType)
		if a.Data != "" && format != "" && (!e.vendor.openAI || format == "wav" || format == "mp3") {
			return part{Type: "input_audio", InputAudio: &inputAudio{Data: a.Data, Format: format}}, true
		}
	case llm.Document:
		return e.document(a)
	}
	e.drops.Add(a.Kind.Field())
	return part{}, false
}

// document writes a file; a plain text goes as the text that it is.
func (e *requestEncoder) document(a *llm.Attachment) (part, bool) {
	e.drops.If(a.Cite, llm.FieldCite)
	switch {
	case a.Text != "":
		text := a.Text
		for _, line := range []string{a.Context, a.Name} {
			if line != "" {
				text = line + "\n\n" + text
			}
		}
		return part{Type: "text", Text: &text}, true
	case a.Data != "":
		e.drops.If(a.Context != "", llm.FieldDocument)
		name := a.Name
		if name == "" {
			name = "document" // required with file_data
			if a.MIMEType == "application/pdf" || a.MIMEType == "" {
				name += ".pdf"
			}
		}
		return part{Type: "file", File: &file{FileData: a.Address("application/pdf"), Filename: name}}, true
	case a.URL != "" && e.vendor.fileURL:
		return part{Type: "file", File: &file{FileData: a.URL, Filename: a.Name}}, true
	}
	e.drops.Add(llm.FieldDocument)
	return part{}, false
}

// detail is OpenAI's word for how closely to look; "original" is known to Responses alone.
func detail(d string) string {
	if d == "original" {
		return "high"
	}
	return d
}

// soundFormat is the format that a MIME type stands for.
func soundFormat(kind string) string {
	format, ok := strings.CutPrefix(kind, "audio/")
	if !ok {
		return ""
	}
	switch format = strings.TrimPrefix(format, "x-"); format {
	case "mpeg", "mp3":
		return "mp3"
	case "wave", "vnd.wave":
		return "wav"
	case "mp4":
		return "m4a"
	}
	return format
}

// opaque writes a part that only vendors of this dialect understand.
func (e *requestEncoder) opaque(b *llm.Block) (part, bool) {
	var p part
	if b.Vendor == llm.OpenAI && json.Unmarshal(b.Raw, &p, jsonOut) == nil {
		return p, true
	}
	e.drops.Add(llm.FieldVendorBlock.With(b.Type))
	return p, false
}
