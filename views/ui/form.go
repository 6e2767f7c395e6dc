package ui

import "strings"

// Field is one labelled control of a form.
type Field struct {
	Name  string // of the form value; the control's id is "f-" + Name, or "f-" + ID
	ID    string // where several forms of a page have a field of this name
	Label string
	Value string

	Hint  string // what belongs here, said below the control
	Error string // what is wrong with Value; marks the control invalid

	Type         string // of the input, "text" where empty
	Placeholder  string
	Autocomplete string // as in HTML; "off" keeps password managers away
	InputMode    string // "decimal", "numeric"
	Required     bool
	Autofocus    bool
	Mono         bool // for addresses, identifiers, code
	Rows         int  // of a text area
	MaxLength    int
	Options      []Option // of a select
}

// Option is one choice of a select. The one whose value is the field's is selected.
type Option struct {
	Value, Label string
}

func (f Field) id() string {
	if f.ID != "" {
		return "f-" + f.ID
	}
	return "f-" + f.Name
}

func (f Field) kind() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

func (f Field) describedBy() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.id()+"-error")
	}
	if f.Hint != "" {
		ids = append(ids, f.id()+"-hint")
	}
	return strings.Join(ids, " ")
}

func (f Field) class(base string) string {
	if f.Mono {
		return base + " mono"
	}
	return base
}
