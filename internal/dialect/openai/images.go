package openai

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Images is POST /images/generations and /images/edits. Pictures are asked of this dialect alone, so there is no more of the
// codec than callers need.
type Images struct{}

var imageForm = form.New("", map[string]form.Role{
	"model": form.Model, "prompt": form.Text, "n": form.Count, "stream": form.Stream, "images[]": form.Picture, "mask": form.Picture,
})

// Scan reads a JSON request.
func (Images) Scan(body []byte, at dialect.At) (dialect.Scanned, error) {
	return imageForm.Scan(body, at)
}

var imageFields = llm.FieldNames{
	llm.FieldResponseURL: "response_format", llm.FieldSize: "size", llm.FieldOutputFormat: "output_format", llm.FieldMask: "mask",
	llm.FieldCompression: "output_compression", llm.FieldQuality: "quality", llm.FieldBackground: "background",
}

// FieldName is what a caller calls a field.
func (Images) FieldName(f llm.Field) string {
	return imageFields.Of(f)
}

type imageRequest struct {
	Model       string                    `json:"model"`
	Prompt      string                    `json:"prompt"`
	N           int64                     `json:"n"`
	Size        string                    `json:"size"`
	Response    string                    `json:"response_format"`
	Quality     string                    `json:"quality"`
	Format      string                    `json:"output_format"`
	Compression *int64                    `json:"output_compression"`
	Background  string                    `json:"background"`
	User        string                    `json:"user"`
	Stream      bool                      `json:"stream"`
	Images      []imageRef                `json:"images"`
	Mask        *imageRef                 `json:"mask"`
	Rest        map[string]jsontext.Value `json:",unknown"`
}

type imageRef struct {
	URL    string `json:"image_url"`
	FileID string `json:"file_id"`
}

func (r imageRef) attachment() llm.Attachment {
	a := llm.Attachment{Kind: llm.Image, URL: r.URL, FileID: r.FileID, Origin: llm.OpenAI}
	if rest, ok := strings.CutPrefix(r.URL, "data:"); ok {
		if kind, data, ok := strings.Cut(rest, ";base64,"); ok {
			a.URL, a.MIMEType, a.Data = "", kind, data
		}
	}
	return a
}

// Decode reads a JSON request. The error is an *llm.RequestError.
func (Images) Decode(body []byte, _ dialect.At) (*llm.ImageRequest, error) {
	var in imageRequest
	if err := form.Decode(body, &in); err != nil {
		return nil, err
	}
	r, err := in.request()
	if err != nil {
		return nil, err
	}
	for _, ref := range in.Images {
		r.Images = append(r.Images, ref.attachment())
	}
	if in.Mask != nil {
		mask := in.Mask.attachment()
		r.Mask = &mask
	}
	return r, nil
}

// request is what the plain fields ask for.
func (in *imageRequest) request() (*llm.ImageRequest, error) {
	r := &llm.ImageRequest{
		Model: in.Model, Prompt: in.Prompt, N: in.N, Stream: in.Stream, URL: in.Response == "url", Quality: in.Quality,
		Format: in.Format, Compression: in.Compression, Background: in.Background, User: in.User, Extra: in.Rest,
	}
	if in.Prompt == "" {
		return nil, &llm.RequestError{Param: "prompt", Code: "missing_required_parameter", Message: "You must provide a prompt parameter."}
	}
	if in.Size != "" && in.Size != "auto" {
		width, height, _ := strings.Cut(in.Size, "x")
		var bad [2]error
		r.Width, bad[0] = strconv.ParseInt(width, 10, 16)
		r.Height, bad[1] = strconv.ParseInt(height, 10, 16)
		if errors.Join(bad[:]...) != nil || r.Width <= 0 || r.Height <= 0 {
			return nil, &llm.RequestError{Param: "size", Code: "invalid_value", Message: "Invalid value for 'size': expected WIDTHxHEIGHT or 'auto'."}
		}
	}
	return r, nil
}

// maxFormText is how long the plain fields of a form may be together, in bytes.
const maxFormText = 1 << 20

// DecodeForm reads a multipart request to change pictures, which hold in memory what the form does. The error is an
// *llm.RequestError, or one of reading.
func (Images) DecodeForm(body io.Reader, boundary string) (*llm.ImageRequest, error) {
	reader := multipart.NewReader(body, boundary)
	fields := map[string]string{}
	var pictures []llm.Attachment
	var mask *llm.Attachment
	room := int64(maxFormText)
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read form: %w", err)
		}
		name := strings.TrimSuffix(part.FormName(), "[]")
		if name == "image" || name == "mask" {
			picture, err := pictureOf(part)
			if err != nil {
				return nil, fmt.Errorf("read form: %w", err)
			}
			if name == "mask" {
				mask = &picture
			} else {
				pictures = append(pictures, picture)
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, room+1))
		if room -= int64(len(text)); err != nil || room < 0 {
			return nil, &llm.RequestError{Param: name, Message: "The fields of the form are too long."}
		}
		fields[name] = string(text)
	}
	in, err := formFields(fields)
	if err != nil {
		return nil, err
	}
	r, err := in.request()
	if err == nil {
		r.Images, r.Mask = pictures, mask
	}
	return r, err
}

func pictureOf(part *multipart.Part) (llm.Attachment, error) {
	data, err := io.ReadAll(part)
	kind := part.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "image/") {
		kind = http.DetectContentType(data)
	}
	return llm.Attachment{Kind: llm.Image, MIMEType: kind, Data: base64.StdEncoding.EncodeToString(data), Name: part.FileName()}, err
}

// formFields reads the plain fields of a form.
func formFields(fields map[string]string) (*imageRequest, error) {
	in := &imageRequest{}
	texts := map[string]*string{"model": &in.Model, "prompt": &in.Prompt, "size": &in.Size, "response_format": &in.Response,
		"quality": &in.Quality, "output_format": &in.Format, "background": &in.Background, "user": &in.User}
	for name, value := range fields {
		var err error
		switch to := texts[name]; {
		case to != nil:
			*to = value
		case name == "n":
			in.N, err = strconv.ParseInt(value, 10, 16)
		case name == "output_compression":
			in.Compression = new(int64)
			*in.Compression, err = strconv.ParseInt(value, 10, 16)
		case name == "stream":
			in.Stream, err = strconv.ParseBool(value)
		default:
			if in.Rest == nil {
				in.Rest = map[string]jsontext.Value{}
			}
			in.Rest[name] = jsonwrite.String(nil, value)
		}
		if err != nil {
			return nil, &llm.RequestError{Param: name, Code: "invalid_type", Message: fmt.Sprintf("Invalid type for '%s'.", name)}
		}
	}
	return in, nil
}

// EncodeResponse writes the pictures for a caller.
func (Images) EncodeResponse(r *llm.ImageResponse, _ *llm.ImageRequest) []byte {
	type picture struct {
		Data   string `json:"b64_json,omitzero"`
		URL    string `json:"url,omitzero"`
		Prompt string `json:"revised_prompt,omitzero"`
	}
	type details struct {
		Image int64 `json:"image_tokens"`
		Text  int64 `json:"text_tokens"`
	}
	var out struct {
		Created int64     `json:"created"`
		Data    []picture `json:"data"`
		Format  string    `json:"output_format,omitzero"`
		Usage   struct {
			Input  int64   `json:"input_tokens"`
			In     details `json:"input_tokens_details"`
			Output int64   `json:"output_tokens"`
			Out    details `json:"output_tokens_details"`
			Total  int64   `json:"total_tokens"`
		} `json:"usage"`
	}
	out.Created = r.Created
	for i := range r.Images {
		p := picture{Data: r.Images[i].Data, URL: r.Images[i].URL}
		if i < len(r.Prompts) {
			p.Prompt = r.Prompts[i]
		}
		out.Data = append(out.Data, p)
		out.Format = strings.TrimPrefix(r.Images[i].MIMEType, "image/")
	}
	u, usage := r.Usage, &out.Usage
	usage.Input, usage.Output, usage.Total = u.TotalInput(), u.Output, u.Total()
	usage.In = details{Image: u.ImageInput, Text: u.TotalInput() - u.ImageInput}
	usage.Out = details{Image: u.ImageOutput, Text: u.Output - u.ImageOutput}
	body, err := json.Marshal(out, form.Lenient)
	if err != nil {
		panic("openai: encode pictures: " + err.Error()) // plain structs always encode
	}
	return body
}
