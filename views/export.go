package views

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/sheet"
	"aihigress/internal/web"
)

const (
	// maxExports is how many tables are downloaded from a node at once, and maxExportsEach how many by one person: each holds
	// a connection to Postgres and a snapshot there.
	maxExports     = 4
	maxExportsEach = 2
	// exportTime is how long a download takes at most.
	exportTime = 15 * time.Minute
	// exportPatience is how long the browser may take nothing of what it is sent.
	exportPatience = 30 * time.Second
	// flushRows is after how many rows what there is goes out.
	flushRows = 500
)

// exportsOf is how many tables are downloaded at once with so many connections: each holds one, and of a statement another now and
// then, and the books need theirs.
func exportsOf(conns int) int {
	if conns == 0 {
		return maxExports
	}
	return min(max(conns/4, 1), maxExports)
}

// export sends a table as CSV, row by row as rows puts them, and keeps none. A failure before the first row becomes an error
// page; one after it cuts the connection, so that nobody takes half a table for a whole one.
func (c *console) export(w http.ResponseWriter, r *http.Request, name string, head []string, rows func(ctx context.Context, put func(cells ...string) error) error) error {
	actor, _ := authz.From(r.Context())
	leave, ok := c.exports.enter(actor.UserID)
	if !ok {
		return fault.New(fault.Limited, "Too many exports are running. Wait until one has ended.").After(time.Minute)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), exportTime)
	defer cancel()
	d := download{w: w, control: http.NewResponseController(w), name: name, head: head}
	var err error
	if r.Method != http.MethodHead { // which asks for no rows
		err = rows(ctx, d.row)
	}
	if err == nil {
		err = d.end()
	}
	switch {
	case err == nil:
		return nil
	case !d.began:
		return err
	case r.Context().Err() == nil:
		web.NoteError(r.Context(), fmt.Errorf("export %s: %w", name, err))
	}
	panic(http.ErrAbortHandler)
}

// A download is a table on its way to a browser.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	name    string
	head    []string
	sheet   *sheet.Writer
	began   bool
	rows    int
}

// Write sends what the sheet has gathered. The browser's time begins anew with each.
func (d *download) Write(p []byte) (int, error) {
	_ = d.control.SetWriteDeadline(time.Now().Add(exportPatience)) // what cannot have one is no network
	return d.w.Write(p)
}

var _ io.Writer = (*download)(nil)

func (d *download) begin() error {
	if d.began {
		return nil
	}
	d.began = true
	h := d.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	h.Set("Cache-Control", "no-store")
	d.w.WriteHeader(http.StatusOK)
	d.sheet = sheet.NewWriter(d)
	return d.sheet.Row(d.head...)
}

func (d *download) row(cells ...string) error {
	if err := d.begin(); err != nil {
		return err
	}
	if err := d.sheet.Row(cells...); err != nil {
		return err
	}
	d.rows++
	if d.rows == 1 || d.rows%flushRows == 0 {
		return d.flush()
	}
	return nil
}

func (d *download) flush() error {
	if err := d.sheet.Flush(); err != nil {
		return err
	}
	return d.control.Flush()
}

func (d *download) end() error {
	if err := d.begin(); err != nil {
		return err
	}
	if err := d.flush(); err != nil {
		return err
	}
	_ = d.control.SetWriteDeadline(time.Time{}) // the connection may serve another request
	return nil
}

// exportedAt is how a time is written in a table.
func exportedAt(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
