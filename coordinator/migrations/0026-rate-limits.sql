-- What was asked for in slots of five seconds. Unlogged: after a crash of the database everybody starts with an empty minute.
CREATE UNLOGGED TABLE rate_slots (
  subject  text NOT NULL,
  slot     bigint NOT NULL,
  requests bigint NOT NULL,
  input    bigint NOT NULL,
  output   bigint NOT NULL,
  PRIMARY KEY (subject, slot)
);
CREATE INDEX rate_slots_by_slot ON rate_slots (slot);

/*
 * Lets each take through, whole and in order, if all of its subjects have room for it.
 *
 * Invariant: in no sixty seconds do the takes let through for a subject exceed its limits. So the window is the current slot and
 * the twelve before it; what was taken in a slot comes back when the whole slot is a minute old. A limit of null is no limit.
 *
 * `subjects` and their limits stand once; each row says which take wants what of which of them, the rows of a take together. One row
 * comes back for each: what is left, and in how many milliseconds something comes back. Subjects are locked in one order, so that
 * two copies of the component never wait for each other.
 */
CREATE FUNCTION take_limits(
  subjects text[], request_limits bigint[], input_limits bigint[], output_limits bigint[],
  takes int[], subject_of int[], inputs bigint[], outputs bigint[])
RETURNS TABLE (take int, passed boolean, requests_left bigint, input_left bigint, output_left bigint, reset_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint;
  current_slot bigint;
  used_requests bigint[];
  used_input bigint[];
  used_output bigint[];
  oldest bigint[];
  new_requests bigint[] := array_fill(0::bigint, ARRAY[cardinality(subjects)]);
  new_input bigint[] := new_requests;
  new_output bigint[] := new_requests;
  first_row int := 1;
  last_row int;
  s int;
  fits boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(u.subject, 5)) FROM (SELECT DISTINCT subject FROM unnest(subjects) AS subject ORDER BY subject) AS u;
  now_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  current_slot := now_ms / 5000;
  SELECT array_agg(w.requests ORDER BY w.n), array_agg(w.input ORDER BY w.n), array_agg(w.output ORDER BY w.n), array_agg(w.oldest ORDER BY w.n)
    INTO used_requests, used_input, used_output, oldest
    FROM (
      SELECT u.n, coalesce(sum(r.requests), 0)::bigint AS requests, coalesce(sum(r.input), 0)::bigint AS input,
        coalesce(sum(r.output), 0)::bigint AS output, coalesce(min(r.slot), current_slot) AS oldest
      FROM unnest(subjects) WITH ORDINALITY AS u(subject, n) LEFT JOIN rate_slots r ON r.subject = u.subject AND r.slot >= current_slot - 12
      GROUP BY u.n
    ) AS w;
  WHILE first_row <= cardinality(takes) LOOP
    last_row := first_row;
    WHILE last_row < cardinality(takes) AND takes[last_row + 1] = takes[first_row] LOOP
      last_row := last_row + 1;
    END LOOP;
    fits := true;
    FOR i IN first_row..last_row LOOP
      s := subject_of[i];
      fits := fits AND (request_limits[s] IS NULL OR used_requests[s] + new_requests[s] + 1 <= request_limits[s])
        AND (input_limits[s] IS NULL OR used_input[s] + new_input[s] + inputs[i] <= input_limits[s])
        AND (output_limits[s] IS NULL OR used_output[s] + new_output[s] + outputs[i] <= output_limits[s]);
    END LOOP;
    FOR i IN first_row..last_row LOOP
      s := subject_of[i];
      IF fits THEN
        new_requests[s] := new_requests[s] + 1;
        new_input[s] := new_input[s] + inputs[i];
        new_output[s] := new_output[s] + outputs[i];
      END IF;
      take := takes[i];
      passed := fits;
      requests_left := greatest(0, request_limits[s] - used_requests[s] - new_requests[s]);
      input_left := greatest(0, input_limits[s] - used_input[s] - new_input[s]);
      output_left := greatest(0, output_limits[s] - used_output[s] - new_output[s]);
      reset_ms := (oldest[s] + 13) * 5000 - now_ms;
      -- greatest() passes over nulls: what has no limit has nothing left to tell.
      IF request_limits[s] IS NULL THEN requests_left := NULL; END IF;
      IF input_limits[s] IS NULL THEN input_left := NULL; END IF;
      IF output_limits[s] IS NULL THEN output_left := NULL; END IF;
      RETURN NEXT;
    END LOOP;
    first_row := last_row + 1;
  END LOOP;
  INSERT INTO rate_slots AS r (subject, slot, requests, input, output)
    SELECT u.subject, current_slot, u.requests, u.input, u.output
    FROM unnest(subjects, new_requests, new_input, new_output) AS u(subject, requests, input, output) WHERE u.requests > 0
    ON CONFLICT (subject, slot) DO UPDATE SET requests = r.requests + excluded.requests, input = r.input + excluded.input, output = r.output + excluded.output;
END $$;
