package views

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/statement"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

const (
	// maxUpload bounds the body of the form with a vendor's table, which is read as it comes.
	maxUpload = statement.MaxTable + maxForm
	// uploadTime is how long it may take to come.
	uploadTime = 5 * time.Minute
	// shownDifferences is how many a page has.
	shownDifferences = 200
)

type reconcileView struct {
	Form      reconcileForm
	Providers []ui.Option
	Result    *statement.Reconciliation // nil before a table was sent
	Problems  problems
}

// reconcileForm is the form but for the table.
type reconcileForm struct {
	Provider    string
	First, Last string // days
	Tolerance   string // percent
	Columns     string // figure = column, column; a line each
	Names       string // theirs = ours; a line each
}

func (c *console) reconcileForm(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators reconcile.")
	}
	return c.renderReconcile(w, r, http.StatusOK, reconcileView{Form: reconcileForm{Tolerance: "0"}})
}

func (c *console) renderReconcile(w http.ResponseWriter, r *http.Request, status int, v reconcileView) error {
	ctx := r.Context()
	choices, err := c.providerChoices(ctx)
	if err != nil {
		return err
	}
	v.Providers = []ui.Option{{Label: i18n.T(ctx, "All providers together")}}
	for _, p := range choices {
		v.Providers = append(v.Providers, ui.Option{Value: p.ID.String(), Label: p.Name})
	}
	return c.render(w, r, status, reconcilePage(c.frame(r, ui.Reconcile, i18n.T(ctx, "Reconciliation")), v))
}

// reconcile compares the table that is sent, as it comes: the fields of the form stand before it.
func (c *console) reconcile(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators reconcile.")
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(uploadTime)) // what cannot have one is no network
	var v reconcileView
	table, err := v.Form.read(r)
	if err == nil {
		v.Result, err = c.compared(r, v.Form, table)
	}
	_ = control.SetReadDeadline(time.Time{})
	status := http.StatusOK
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fault.Field("table", "the table broke off on its way: send it again")
	}
	if p, code, ok := refused(r, err); ok {
		v.Problems, status, err = p, code, nil
	}
	if err != nil {
		return err
	}
	return c.renderReconcile(w, r, status, v)
}

// read reads the form up to its table.
func (f *reconcileForm) read(r *http.Request) (io.Reader, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fault.Field("table", "choose a table")
	}
	fields := map[string]*string{
		"provider": &f.Provider, "from": &f.First, "to": &f.Last, "tolerance": &f.Tolerance, "columns": &f.Columns, "names": &f.Names,
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, fault.Field("table", "choose a table")
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the form cannot be read")
		}
		if part.FormName() == "table" {
			return table(part)
		}
		if into := fields[part.FormName()]; into != nil {
			text, err := io.ReadAll(io.LimitReader(part, maxForm))
			if err != nil || len(text) == maxForm {
				return nil, fault.Wrap(err, fault.Invalid, "the form cannot be read")
			}
			*into = strings.TrimSpace(string(text))
		}
	}
}

func table(part *multipart.Part) (io.Reader, error) {
	if part.FileName() == "" {
		return nil, fault.Field("table", "choose a table")
	}
	return part, nil
}

func (c *console) compared(r *http.Request, f reconcileForm, table io.Reader) (*statement.Reconciliation, error) {
	in := statement.ReconcileInput{Table: table, ProviderID: readID[id.Provider](f.Provider), Columns: statement.Columns{}, Names: map[string]string{}}
	var err error
	if f.First != "" || f.Last != "" {
		if in.Period, err = statement.Days(f.First, f.Last); err != nil {
			return nil, err
		}
	}
	if f.Tolerance != "" {
		percent, err := money.ParseAmount(f.Tolerance)
		if err != nil || percent < 0 || percent > 100*money.Credit || percent%(money.Credit/100) != 0 {
			return nil, fault.Field("tolerance", "the tolerance is a percentage with at most two decimals, as in 0.25")
		}
		in.Tolerance = int(percent / (money.Credit / 100))
	}
	for left, right := range equations(f.Columns) {
		names := []string{}
		for name := range strings.SplitSeq(right, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		in.Columns[statement.Figure(left)] = names
	}
	for left, right := range equations(f.Names) {
		in.Names[left] = right
	}
	result, err := c.Statements.Reconcile(r.Context(), in)
	return &result, err
}

// equations are the lines of a text as what stands before and behind an equals sign.
func equations(text string) func(yield func(left, right string) bool) {
	return func(yield func(left, right string) bool) {
		for line := range strings.Lines(text) {
			left, right, _ := strings.Cut(line, "=")
			if left = strings.TrimSpace(left); left != "" && !yield(left, strings.TrimSpace(right)) {
				return
			}
		}
	}
}
