package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const fileColumns = `f.id, f.drop_id, d.code, f.name, f.type, f.size, f.created, f.confirmed, f.etag, f.md5, f.seq,
	f.uploader, f.upload_id, f.part_size, f.stale_at`

const fileTables = ` FROM files f JOIN drops d ON d.id = f.drop_id `

// fileLive is live for a query over fileTables.
const fileLive = `(d.expires = 0 OR d.expires > ?)`

func scanFile(row interface{ Scan(...any) error }) (File, error) {
	var f File
	var created, confirmed, stale int64
	err := row.Scan(&f.ID, &f.Drop, &f.DropCode, &f.Name, &f.Type, &f.Size, &created, &confirmed, &f.ETag, &f.MD5, &f.Seq,
		&f.Uploader, &f.UploadID, &f.PartSize, &stale)
	f.Created, f.Confirmed, f.StaleAt = fromMillis(created), fromMillis(confirmed), fromMillis(stale)
	return f, notFound(err)
}

// File returns a file, pending or confirmed, of a drop that has not expired.
func (s *Store) File(ctx context.Context, id string) (File, error) {
	return scanFile(s.row(ctx, `SELECT `+fileColumns+fileTables+`WHERE f.id = ? AND `+fileLive, id, millis(s.now())))
}

func (t *tx) file(ctx context.Context, id string) (File, error) {
	return scanFile(t.row(ctx, `SELECT `+fileColumns+fileTables+`WHERE f.id = ? AND `+fileLive, id, millis(t.s.now())))
}

// Files returns up to limit confirmed files of a drop, in the order of their confirmation, behind the one of that
// sequence number.
func (s *Store) Files(ctx context.Context, drop string, behind int64, limit int) ([]File, error) {
	var page []File
	err := s.each(ctx, func(r *sql.Rows) error {
		f, err := scanFile(r)
		page = append(page, f)
		return err
	}, `SELECT `+fileColumns+fileTables+`WHERE f.drop_id = ? AND f.seq > ? AND f.confirmed > 0 AND `+fileLive+`
		ORDER BY f.seq LIMIT ?`, drop, behind, millis(s.now()), limit)
	return page, err
}

// Reserve records a pending file and takes its size from the drop's space, of which limit bytes are the most
// (drops.max_size where that is not 0). f.ID is given where the caller made it, else made here. ErrQuota, ErrNotFound.
func (s *Store) Reserve(ctx context.Context, f File, limit int64) (File, error) {
	if f.ID == "" {
		f.ID = NewID(20)
	}
	f.Created = s.now().Truncate(time.Millisecond).UTC()
	err := s.write(ctx, quick, func(t *tx) error {
		d, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE id = ? AND `+live, f.Drop, millis(s.now())))
		if err != nil {
			return err
		}
		f.DropCode = d.Code
		if d.MaxSize > 0 {
			limit = d.MaxSize
		}
		if f.Size > limit-d.Used {
			return ErrQuota
		}
		if _, err := t.exec(ctx, `UPDATE drops SET used = used + ? WHERE id = ?`, f.Size, f.Drop); err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO files (id, drop_id, name, type, size, created, confirmed, etag, md5, seq,
			uploader, upload_id, part_size, stale_at) VALUES (?, ?, ?, ?, ?, ?, 0, '', '', 0, ?, ?, ?, ?)`,
			f.ID, f.Drop, f.Name, f.Type, f.Size, millis(f.Created), f.Uploader, f.UploadID, f.PartSize, millis(f.StaleAt))
		return err
	})
	return f, err
}

// Renew moves the instant at which a pending file is given up. ErrNotFound where it is not pending.
func (s *Store) Renew(ctx context.Context, id string, staleAt time.Time) error {
	return s.write(ctx, quick, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE files SET stale_at = ? WHERE id = ? AND confirmed = 0`, millis(staleAt), id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}

// Confirm makes a pending file be there, with the validators of its bytes, and removes the file replaces of the same
// drop in the same step; one that is gone is no error. A file that is confirmed already is answered as it is.
func (s *Store) Confirm(ctx context.Context, id, etag, md5, replaces string) (File, error) {
	var f File
	err := s.write(ctx, durable, func(t *tx) error {
		var err error
		if f, err = t.file(ctx, id); err != nil || !f.Pending() {
			return err
		}
		event := Event{Kind: KindAsset, File: &f}
		if replaces != "" && replaces != id {
			old, err := t.file(ctx, replaces)
			if err == nil && old.Drop == f.Drop {
				event.Replaces = old.ID
				err = t.removeFile(ctx, old)
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		f.ETag, f.MD5, f.Confirmed = etag, md5, s.now().Truncate(time.Millisecond).UTC()
		if f.Seq, err = t.nextSeq(ctx); err != nil {
			return err
		}
		if _, err := t.event(ctx, Drop{ID: f.Drop}, event); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE files SET confirmed = ?, etag = ?, md5 = ?, seq = ?, stale_at = 0 WHERE id = ?`,
			millis(f.Confirmed), etag, md5, f.Seq, id)
		return err
	})
	return f, err
}

// DeleteFile removes a file, pending or confirmed. ErrNotFound.
func (s *Store) DeleteFile(ctx context.Context, id string) error {
	return s.write(ctx, durable, func(t *tx) error {
		f, err := t.file(ctx, id)
		if err != nil {
			return err
		}
		if err := t.removeFile(ctx, f); err != nil || f.Pending() {
			return err
		}
		_, err = t.event(ctx, Drop{ID: f.Drop}, Event{Kind: KindAssetGone, FileID: f.ID})
		return err
	})
}

// removeFile turns a file into garbage and gives its space back (S2, S3).
func (t *tx) removeFile(ctx context.Context, f File) error {
	if _, err := t.exec(ctx, `INSERT INTO garbage (obj, upload_id) VALUES (?, ?) ON CONFLICT (obj) DO NOTHING`,
		f.ID, f.UploadID); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM grants WHERE subject = ?`, f.ID); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM files WHERE id = ?`, f.ID); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE drops SET used = used - ? WHERE id = ?`, f.Size, f.Drop)
	return err
}

// RenameFile gives a confirmed file another name. ErrNotFound.
func (s *Store) RenameFile(ctx context.Context, id, name string) (File, error) {
	var f File
	err := s.write(ctx, durable, func(t *tx) error {
		var err error
		if f, err = t.file(ctx, id); err != nil {
			return err
		}
		if f.Pending() {
			return ErrNotFound
		}
		f.Name = name
		if _, err := t.exec(ctx, `UPDATE files SET name = ? WHERE id = ?`, name, id); err != nil {
			return err
		}
		_, err = t.event(ctx, Drop{ID: f.Drop}, Event{Kind: KindAsset, File: &f})
		return err
	})
	return f, err
}

// PendingBytes is the space that all uploads under way may still need.
func (s *Store) PendingBytes(ctx context.Context) (int64, error) {
	var n int64
	err := s.row(ctx, `SELECT COALESCE(sum(size), 0) FROM files WHERE confirmed = 0`).Scan(&n)
	return n, err
}
