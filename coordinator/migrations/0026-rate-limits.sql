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
 * One row for each take and subject: what is left, and in how many milliseconds something comes back. Subjects are locked in
 * one order, so that two copies of the component never wait for each other.
 */
CREATE FUNCTION take_limits(takes int[], subjects text[], request_limits bigint[], input_limits bigint[], output_limits bigint[], inputs bigint[], outputs bigint[])
RETURNS TABLE (take int, passed boolean, requests_left bigint, input_left bigint, output_left bigint, reset_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint;
  current_slot bigint;
  subject_to_lock text;
  i int;
  first_row int := 1;
  last_row int;
  used record;
  fits boolean;
BEGIN
  FOR subject_to_lock IN SELECT DISTINCT s FROM unnest(subjects) AS s ORDER BY s LOOP
    PERFORM pg_advisory_xact_lock(hashtextextended(subject_to_lock, 5));
  END LOOP;
  now_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  current_slot := now_ms / 5000;
  WHILE first_row <= cardinality(takes) LOOP
    last_row := first_row;
    WHILE last_row < cardinality(takes) AND takes[last_row + 1] = takes[first_row] LOOP
      last_row := last_row + 1;
    END LOOP;
    fits := true;
    FOR i IN first_row..last_row LOOP
      SELECT coalesce(sum(r.requests), 0) AS requests, coalesce(sum(r.input), 0) AS input, coalesce(sum(r.output), 0) AS output
        INTO used FROM rate_slots r WHERE r.subject = subjects[i] AND r.slot >= current_slot - 12;
      fits := fits AND (request_limits[i] IS NULL OR used.requests + 1 <= request_limits[i])
        AND (input_limits[i] IS NULL OR used.input + inputs[i] <= input_limits[i])
        AND (output_limits[i] IS NULL OR used.output + outputs[i] <= output_limits[i]);
    END LOOP;
    FOR i IN first_row..last_row LOOP
      IF fits THEN
        INSERT INTO rate_slots AS r (subject, slot, requests, input, output) VALUES (subjects[i], current_slot, 1, inputs[i], outputs[i])
          ON CONFLICT (subject, slot) DO UPDATE SET requests = r.requests + 1, input = r.input + excluded.input, output = r.output + excluded.output;
      END IF;
      RETURN QUERY
        SELECT takes[i], fits, greatest(0, request_limits[i] - coalesce(sum(r.requests), 0))::bigint, greatest(0, input_limits[i] - coalesce(sum(r.input), 0))::bigint,
          greatest(0, output_limits[i] - coalesce(sum(r.output), 0))::bigint, coalesce((min(r.slot) + 13) * 5000 - now_ms, 0)::bigint
        FROM rate_slots r WHERE r.subject = subjects[i] AND r.slot >= current_slot - 12;
    END LOOP;
    first_row := last_row + 1;
  END LOOP;
END $$;
