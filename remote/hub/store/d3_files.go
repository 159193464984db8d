package store

import (
	"context"
	"database/sql"
	"time"
)

const d3FileColumns = `id, owner, name, type, size, parts, upload_id, obj, etag, created, expires`

func scanD3File(row interface{ Scan(...any) error }) (D3File, error) {
	var f D3File
	var created, expires int64
	err := row.Scan(&f.ID, &f.Owner, &f.Name, &f.Type, &f.Size, &f.Parts, &f.UploadID, &f.Obj, &f.ETag, &created, &expires)
	f.Created, f.Expires = fromMillis(created), fromMillis(expires)
	return f, notFound(err)
}

// AddD3File records an upload that is about to begin. What it does not say of ID and Created is filled in.
func (s *Store) AddD3File(ctx context.Context, f D3File) (D3File, error) {
	return s.addD3File(ctx, f, func(*tx, D3File) error { return nil })
}

// AddD3Multipart is AddD3File for an upload whose parts go to the object store itself: as o.UploadID, which is open, to
// the object o.Key.
func (s *Store) AddD3Multipart(ctx context.Context, f D3File, o D3Object) (D3File, error) {
	return s.addD3File(ctx, f, func(t *tx, f D3File) error {
		if _, err := t.exec(ctx, `INSERT INTO d3_multiparts (obj, upload_id) VALUES (?, ?)`, o.Key, o.UploadID); err != nil {
			return err
		}
		return t.addD3Object(ctx, D3Object{Key: o.Key, File: f.ID})
	})
}

func (s *Store) addD3File(ctx context.Context, f D3File, more func(*tx, D3File) error) (D3File, error) {
	f.ID, f.Created = "in_"+NewID(27), s.now().Truncate(time.Millisecond).UTC()
	err := s.write(ctx, quick, func(t *tx) error {
		if err := t.insertD3File(ctx, f); err != nil {
			return err
		}
		return more(t, f)
	})
	return f, err
}

func (t *tx) insertD3File(ctx context.Context, f D3File) error {
	_, err := t.exec(ctx, `INSERT INTO d3_files (`+d3FileColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.Owner, f.Name, f.Type, f.Size, f.Parts, f.UploadID, f.Obj, f.ETag, millis(f.Created), millis(f.Expires))
	return err
}

// D3File returns a file that has not expired. ErrNotFound.
func (s *Store) D3File(ctx context.Context, id string) (D3File, error) {
	return scanD3File(s.row(ctx, `SELECT `+d3FileColumns+` FROM d3_files WHERE id = ? AND expires > ?`, id, millis(s.now())))
}

// D3Upload returns the file of an upload id. ErrNotFound.
func (s *Store) D3Upload(ctx context.Context, uploadID string) (D3File, error) {
	return scanD3File(s.row(ctx, `SELECT `+d3FileColumns+` FROM d3_files WHERE upload_id = ? AND upload_id <> '' AND expires > ?`,
		uploadID, millis(s.now())))
}

// D3Source is D3File for the run of a task, which may read what expired meanwhile.
func (s *Store) D3Source(ctx context.Context, id string) (D3File, error) {
	return scanD3File(s.row(ctx, `SELECT `+d3FileColumns+` FROM d3_files WHERE id = ?`, id))
}

// D3Results returns the results of an operation that have not expired.
func (s *Store) D3Results(ctx context.Context, op string) ([]D3File, error) {
	var all []D3File
	err := s.each(ctx, func(r *sql.Rows) error {
		f, err := scanD3File(r)
		all = append(all, f)
		return err
	}, `SELECT `+d3FileColumns+` FROM d3_files WHERE id IN (SELECT output FROM d3_tasks WHERE op = ?) AND expires > ?`,
		op, millis(s.now()))
	return all, err
}

// AddD3Object records an object before its bytes come (S3). ErrNotFound where the file is gone, ErrConfirmed where an
// upload has all its bytes already.
func (s *Store) AddD3Object(ctx context.Context, o D3Object) error {
	return s.write(ctx, quick, func(t *tx) error {
		f, err := scanD3File(t.row(ctx, `SELECT `+d3FileColumns+` FROM d3_files WHERE id = ?`, o.File))
		if err != nil {
			return err
		}
		if f.Ready() {
			return ErrConfirmed
		}
		return t.addD3Object(ctx, o)
	})
}

func (t *tx) addD3Object(ctx context.Context, o D3Object) error {
	_, err := t.exec(ctx, `INSERT INTO d3_objects (obj, file, n, size, etag) VALUES (?, ?, ?, -1, '')`, o.Key, o.File, o.N)
	return err
}

// D3Arrived records that the bytes of a part are there; what was sent before for the same part goes. ErrNotFound where
// the upload was given up meanwhile.
func (s *Store) D3Arrived(ctx context.Context, o D3Object) error {
	return s.write(ctx, quick, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE d3_objects SET size = ?, etag = ? WHERE obj = ?`, o.Size, o.ETag, o.Key)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return t.dropD3Objects(ctx, `file = ? AND n = ? AND size >= 0 AND obj <> ?`, o.File, o.N, o.Key)
	})
}

// DropD3Object gives up an object whose bytes did not come.
func (s *Store) DropD3Object(ctx context.Context, key string) error {
	return s.write(ctx, quick, func(t *tx) error { return t.dropD3Objects(ctx, `obj = ?`, key) })
}

// dropD3Objects turns objects into garbage (S3).
func (t *tx) dropD3Objects(ctx context.Context, where string, args ...any) error {
	if _, err := t.exec(ctx, `INSERT INTO garbage (obj, upload_id) SELECT obj,
		COALESCE((SELECT upload_id FROM d3_multiparts WHERE d3_multiparts.obj = d3_objects.obj), '') FROM d3_objects WHERE `+where+
		` ON CONFLICT (obj) DO NOTHING`, args...); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM d3_multiparts WHERE obj IN (SELECT obj FROM d3_objects WHERE `+where+`)`, args...); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM d3_objects WHERE `+where, args...)
	return err
}

// D3Objects returns what holds the bytes of a file, in order: of an upload that is not confirmed, the parts that have
// arrived.
func (s *Store) D3Objects(ctx context.Context, file string) ([]D3Object, error) {
	var all []D3Object
	err := s.each(ctx, func(r *sql.Rows) error {
		var o D3Object
		err := r.Scan(&o.Key, &o.File, &o.N, &o.Size, &o.ETag)
		all = append(all, o)
		return err
	}, `SELECT obj, file, n, size, etag FROM d3_objects WHERE file = ? AND size >= 0 ORDER BY n`, file)
	return all, err
}

// D3Pending returns the object of a part whose bytes were not reported to the hub. ErrNotFound.
func (s *Store) D3Pending(ctx context.Context, file string, n int) (D3Object, error) {
	o := D3Object{File: file, N: n, Size: -1}
	err := s.row(ctx, `SELECT obj FROM d3_objects WHERE file = ? AND n = ? AND size < 0`, file, n).Scan(&o.Key)
	return o, notFound(err)
}

// D3Multipart returns the object of an upload whose parts go to the object store itself. ErrNotFound.
func (s *Store) D3Multipart(ctx context.Context, file string) (D3Object, error) {
	o := D3Object{File: file, Size: -1}
	err := s.row(ctx, `SELECT m.obj, m.upload_id FROM d3_objects o JOIN d3_multiparts m ON m.obj = o.obj WHERE o.file = ?`,
		file).Scan(&o.Key, &o.UploadID)
	return o, notFound(err)
}

// ConfirmD3 makes objects, in their order, the bytes of an upload, however many they are; all others of it go. A file that
// has its bytes already is answered as it is; another is kept until expires, where that is later than it would have been.
// ErrNotFound; ErrChanged where one of the objects has gone.
func (s *Store) ConfirmD3(ctx context.Context, id string, parts []D3Object, expires time.Time) (D3File, error) {
	var f D3File
	err := s.write(ctx, durable, func(t *tx) error {
		var err error
		if f, err = scanD3File(t.row(ctx, `SELECT `+d3FileColumns+` FROM d3_files WHERE id = ?`, id)); err != nil || f.Ready() {
			return err
		}
		if err := t.chooseD3Objects(ctx, id, parts); err != nil {
			return err
		}
		f.Obj = parts[0].Key
		if len(parts) == 1 {
			f.ETag = parts[0].ETag
		}
		if expires.After(f.Expires) {
			f.Expires = expires
		}
		_, err = t.exec(ctx, `UPDATE d3_files SET obj = ?, etag = ?, expires = ? WHERE id = ?`, f.Obj, f.ETag, millis(f.Expires), id)
		return err
	})
	return f, err
}

// chooseD3Objects leaves a file no objects but parts. What the hub did not receive itself is recorded as whole only here.
func (t *tx) chooseD3Objects(ctx context.Context, file string, parts []D3Object) error {
	sizes := map[string]int64{} // of what is there
	if err := t.each(ctx, func(r *sql.Rows) error {
		var key string
		var size int64
		err := r.Scan(&key, &size)
		sizes[key] = size
		return err
	}, `SELECT obj, size FROM d3_objects WHERE file = ?`, file); err != nil {
		return err
	}
	for _, o := range parts {
		size, ok := sizes[o.Key]
		if !ok {
			return ErrChanged
		}
		delete(sizes, o.Key)
		if size >= 0 {
			continue
		}
		if _, err := t.exec(ctx, `UPDATE d3_objects SET size = ?, etag = ? WHERE obj = ?`, o.Size, o.ETag, o.Key); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM d3_multiparts WHERE obj = ?`, o.Key); err != nil {
			return err
		}
	}
	for key := range sizes {
		if err := t.dropD3Objects(ctx, `obj = ?`, key); err != nil {
			return err
		}
	}
	return nil
}

// KnownD3 tells which of keys are objects of the D3 wire, and whether their bytes are all there.
func (s *Store) KnownD3(ctx context.Context, keys []string) (whole map[string]bool, err error) {
	whole = map[string]bool{}
	if len(keys) == 0 {
		return whole, nil
	}
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k
	}
	err = s.each(ctx, func(r *sql.Rows) error {
		var key string
		var size int64
		err := r.Scan(&key, &size)
		whole[key] = size >= 0
		return err
	}, `SELECT obj, size FROM d3_objects WHERE obj IN (`+marks(len(keys))+`)`, args...)
	return whole, err
}
