-- Copyright 2026 The monai_acdr authors
-- SPDX-License-Identifier: Apache-2.0

-- Sends the results of monai-acdr on to a PACS. For Orthanc, beside orthanc.json.
--
-- monai-acdr marks a study when its results are stored: the metadatum MonaiAcdr is JSON, with "state" ("done" or
-- "failed") and "results", the identifiers of the instances. This script sends these instances, and notes in
-- MonaiAcdrSent that it did, so that each result is sent once, whichever side is restarted. When a job was cut off by a
-- restart, its instances are sent again; they have the same UIDs, and an archive keeps them once.

local PACS = 'pacs' -- a name in DicomModalities
local MARK, SENT = 'MonaiAcdr', 'MonaiAcdrSent' -- names in UserMetadata
local RETRY_SECONDS = 60

local waiting = {} -- study -> when to send its results
local jobs = {} -- job -> its study and results

local function send(study)
  waiting[study] = nil
  local metadata = ParseJson(RestApiGet('/studies/' .. study .. '/metadata?expand') or '{}')
  if metadata[MARK] == nil then
    return
  end
  local mark = ParseJson(metadata[MARK])
  if mark['state'] ~= 'done' then
    return
  end
  local results = table.concat(mark['results'], ' ')
  if metadata[SENT] == results then
    return
  end
  for _, job in pairs(jobs) do
    if job.results == results then -- on their way
      return
    end
  end
  local request = { Resources = mark['results'], Synchronous = false }
  local answer = RestApiPost('/modalities/' .. PACS .. '/store', DumpJson(request, true))
  if answer == nil then
    waiting[study] = os.time() + RETRY_SECONDS
  else
    jobs[ParseJson(answer)['ID']] = { study = study, results = results }
  end
end

local function send_waiting()
  local now, due = os.time(), {}
  for study, time in pairs(waiting) do
    if time <= now then
      table.insert(due, study)
    end
  end
  for _, study in ipairs(due) do
    send(study)
  end
end

function Initialize()
  local position, page = 0, nil
  repeat
    page = ParseJson(RestApiGet('/studies?limit=100&since=' .. position))
    for _, study in ipairs(page) do
      send(study)
    end
    position = position + #page
  until #page < 100
end

function OnUpdatedStudy(study)
  send(study)
  send_waiting()
end

function OnJobSuccess(job)
  local sent = jobs[job]
  if sent ~= nil then
    jobs[job] = nil
    RestApiPut('/studies/' .. sent.study .. '/metadata/' .. SENT, sent.results)
  end
end

function OnJobFailure(job)
  local failed = jobs[job]
  if failed ~= nil then
    jobs[job] = nil
    waiting[failed.study] = os.time() + RETRY_SECONDS
  end
end

-- Tries again: OnHeartBeat comes by the clock (LuaHeartBeatPeriod, which early releases do not have), the others with
-- each study and image.
OnHeartBeat = send_waiting
OnStableStudy = send_waiting
OnStoredInstance = send_waiting
